using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace TpmFs.Fuse.Mount;

/// <summary>
/// The lock of a mount point: its holder is the server of the mount point, and lives. The file tells people who that
/// is: the process's number and the mount point, a line each.
/// </summary>
internal static class MountLock
{
    public static bool TryTake(
        string path, string mountPoint, [NotNullWhen(true)] out FileLock? taken, out string problem)
    {
        if (!FileLock.TryTake(path, out taken, out FileLockRefusal refusal))
        {
            problem = refusal.IsHeld
                ? $"'{mountPoint}' is in use: {Describe(refusal.Holder)} holds the lock file '{path}'. "
                    + "Stop that process first, or choose another mount point."
                : $"'{mountPoint}' cannot be locked: {refusal.Problem}.";
            return false;
        }

        try
        {
            taken.Write(Encoding.UTF8.GetBytes($"{Environment.ProcessId}\n{mountPoint}\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            taken.Dispose();
            taken = null;
            problem = $"The lock file '{path}' cannot be written: {e.Message}. Make room there.";
            return false;
        }

        problem = string.Empty;
        return true;
    }

    private static string Describe(string holder)
    {
        string[] lines = holder.Split('\n');
        return lines.Length > 1 && lines[0].Length > 0
            ? $"process {lines[0]} (serving '{lines[1]}')" : "another process";
    }
}
