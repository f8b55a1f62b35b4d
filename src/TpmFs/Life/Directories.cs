using System.Diagnostics.CodeAnalysis;
using Mono.Unix.Native;
using Errno = TpmFs.Os.Errno;

namespace TpmFs.Life;

/// <summary>The daemon's own directories.</summary>
internal static class Directories
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Makes a directory for this user alone, where it is missing, and sees that files can be made in it.</summary>
    /// <param name="what">What it is for, for a person.</param>
    public static bool TryPrepare(string path, string what, string advice, out string problem)
    {
        try
        {
            Directory.CreateDirectory(path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = $"the {what} {path} cannot be made: {e.Message} {advice}";
            return false;
        }

        if (Syscall.access(path, AccessModes.W_OK | AccessModes.X_OK) != 0)
        {
            problem = $"the {what} {path} cannot be written: {Errno.Last.Text()}. {advice}";
            return false;
        }

        problem = "";
        return true;
    }

    /// <summary>Locks a file until it is disposed of, or the process ends however it does.</summary>
    /// <param name="taken">What a person is told when another process holds it.</param>
    public static bool TryLock(string path, string taken, [NotNullWhen(true)] out FileLock? held, out string problem)
    {
        Errno error = FileLock.TryTake(path, out held, out _);
        problem = !error.IsError ? ""
            : error == Errno.EAGAIN ? taken
            : $"the lock file {path} cannot be opened: {error.Text()}. Make room there, and see who may write there";
        return held is not null;
    }
}
