using System.Diagnostics.CodeAnalysis;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse;

/// <summary>
/// The lock that says "this mount point's server lives". The kernel gives it back when the process ends, however it ends. The file says
/// who holds it, for people: the process's number and the mount point, a line each.
/// </summary>
internal sealed class MountLock : IDisposable
{
    private const uint Mode = 0b110_000_000;
    private const int MaxContent = 8192;
    private readonly SafeFileHandle _file;

    private MountLock(SafeFileHandle file)
    {
        _file = file;
    }

    public static bool TryTake(string path, string mountPoint, [NotNullWhen(true)] out MountLock? taken, out string problem)
    {
        taken = null;
        Errno error = Native.Open(path, Native.OpenReadWrite | Native.OpenCreate | Native.OpenNoFollow, Mode, out SafeFileHandle? file);
        if (error.IsError)
        {
            file.Dispose();
            problem = $"The lock file '{path}' cannot be opened: {error.Text()}.";
            return false;
        }

        error = Native.TryLock(file);
        if (error.IsError)
        {
            problem = error == Errno.EAGAIN
                ? $"'{mountPoint}' is in use: {Holder(file)} holds the lock file '{path}'. Stop that process first, or choose another mount point."
                : $"The lock file '{path}' cannot be locked: {error.Text()}.";
            file.Dispose();
            return false;
        }

        try
        {
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, Encoding.UTF8.GetBytes($"{Environment.ProcessId}\n{mountPoint}\n"), 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file.Dispose();
            problem = $"The lock file '{path}' cannot be written: {e.Message}. Make room there.";
            return false;
        }

        taken = new MountLock(file);
        problem = string.Empty;
        return true;
    }

    public void Dispose() => _file.Dispose();

    private static string Holder(SafeFileHandle file)
    {
        byte[] content = new byte[MaxContent];
        int length = RandomAccess.Read(file, content, 0);
        string[] lines = Encoding.UTF8.GetString(content, 0, length).Split('\n');
        return lines.Length > 1 && lines[0].Length > 0 ? $"process {lines[0]} (serving '{lines[1]}')" : "another process";
    }
}
