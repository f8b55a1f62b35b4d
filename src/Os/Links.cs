namespace TpmFs.Os;

/// <summary>
/// Follows symbolic links by readlink(2) alone. stat(2) on a mount point would ask its server, which may be dead or
/// hang.
/// </summary>
public static class Links
{
    /// <summary>MAXSYMLINKS of the kernel: how many links one path may lead through.</summary>
    public const int Max = 40;

    /// <summary>Returns the target of a symbolic link; null when the path is not a link or does not exist.</summary>
    public static string? Read(string path) => new FileInfo(path).LinkTarget;

    /// <summary>
    /// Returns the absolute path without symbolic links, whether or not it exists. Follows at most <see cref="Max"/>
    /// links, and returns the path that it has then.
    /// </summary>
    public static string Resolve(string path)
    {
        var rest = new Stack<string>(Parts(Path.GetFullPath(path)).Reverse());
        string found = "/";
        for (int links = 0; rest.TryPop(out string? part);)
        {
            string here = Path.Combine(found, part);
            if (links < Max && Read(here) is { } target)
            {
                links++;
                found = Path.IsPathRooted(target) ? "/" : found;
                foreach (string? step in Parts(target).Reverse())
                {
                    rest.Push(step);
                }
            }
            else
            {
                found = part == ".." ? Path.GetDirectoryName(found) ?? "/" : here;
            }
        }

        return found;
    }

    private static IEnumerable<string> Parts(string path) => path.Split('/').Where(part => part is not ("" or "."));
}
