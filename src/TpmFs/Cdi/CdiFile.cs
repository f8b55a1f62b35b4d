namespace TpmFs.Cdi;

/// <summary>The file of a specification, which container engines read whenever a container starts.</summary>
/// <remarks>
/// The file is in a directory that only this user and root can change: in another, its owner could lead the change to
/// any file of the machine.
/// </remarks>
internal static class CdiFile
{
    /// <summary>The file's mode: all users' engines read it (0644).</summary>
    private const uint Readable = 0b110_100_100;

    private static readonly UnixFileMode s_openToAll = UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead
        | UnixFileMode.OtherExecute;

    /// <summary>
    /// Replaces the file as a whole, so that an engine that reads it sees the old text or the new. Makes the directory
    /// where it is missing. Removes the file where there is no device, since engines refuse a specification without
    /// one.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="devices">The content of the specification.</param>
    /// <param name="problem">The error; empty when there was none.</param>
    public static bool TryWrite(string path, IReadOnlyCollection<CdiDevice> devices, out string problem)
    {
        try
        {
            return devices.Count == 0
                ? TryRemove(path, out problem)
                : TryReplace(path, CdiSpecification.Of(devices), out problem);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = CannotWrite(path, e.Message);
            return false;
        }
    }

    private static bool TryReplace(string path, byte[] text, out string problem)
    {
        (string folder, string name) = Split(path);
        bool isNew = !Directory.Exists(folder);
        if (!SafeDirectory.TryOpen(folder, creates: true, out SafeDirectory? directory, out _, out problem))
        {
            return false;
        }

        using (directory)
        {
            if (isNew)
            {
                File.SetUnixFileMode(folder, s_openToAll); // engines of other users read it too
            }

            if (directory.TryReplace(name, stream => stream.Write(text), out problem, Readable))
            {
                return true;
            }

            problem = CannotWrite(path, problem);
            return false;
        }
    }

    private static bool TryRemove(string path, out string problem)
    {
        (string folder, string name) = Split(path);
        if (!SafeDirectory.TryOpen(folder, creates: false, out SafeDirectory? directory, out Errno error, out problem))
        {
            bool isGone = error == Errno.ENOENT;
            problem = isGone ? "" : problem;
            return isGone;
        }

        using (directory)
        {
            if (directory.TryRemove(name, out problem))
            {
                return true;
            }

            problem = CannotWrite(path, problem);
            return false;
        }
    }

    private static string CannotWrite(string path, string why) => $"{path} cannot be written: {why}";

    private static (string Folder, string Name) Split(string path)
    {
        string full = Path.GetFullPath(path);
        return (Path.GetDirectoryName(full) ?? "/", Path.GetFileName(full));
    }
}
