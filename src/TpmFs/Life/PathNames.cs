namespace TpmFs.Life;

/// <summary>Paths as names: found by readlink(2) alone, since stat(2) on a mount point asks its server, which may be dead or hang.</summary>
internal static class PathNames
{
    private const int MaxLinks = 40; // MAXSYMLINKS of the kernel

    /// <summary>The absolute path without symbolic links, whether or not it exists. With too many links: as far as they were followed.</summary>
    public static string WithoutLinks(string path)
    {
        var rest = new Stack<string>(Parts(Path.GetFullPath(path)).Reverse());
        string found = "/";
        for (int links = 0; rest.TryPop(out string? part);)
        {
            string here = Path.Combine(found, part);
            if (links < MaxLinks && new FileInfo(here).LinkTarget is { } target)
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
