using System.Diagnostics.CodeAnalysis;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// A file that one process at a time holds (flock(2)). The kernel gives the lock back when the process ends, however it
/// ends. The file stays; its content is the holder's.
/// </summary>
public sealed class FileLock : IDisposable
{
    private const uint Mode = 0b110_000_000;
    private const int MaxContent = 8192;
    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file)
    {
        _file = file;
    }

    /// <summary>Makes the file (0600) where it is missing, and locks it.</summary>
    /// <param name="path">
    /// The file, in a directory that nobody else can write to. A symbolic link is not followed.
    /// </param>
    /// <param name="taken">The lock, for as long as it is not disposed of.</param>
    /// <param name="refusal">The reason why the lock was not taken.</param>
    public static bool TryTake(string path, [NotNullWhen(true)] out FileLock? taken, out FileLockRefusal refusal)
    {
        taken = null;
        refusal = default;
        const int Flags = OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.NonBlock;
        Errno error = FileCalls.Open(path, Flags | OpenOptions.NoFollow, Mode, out SafeFileHandle file);
        FileStatus status = default;
        error = error.IsError ? error : FileStatus.Read(file, out status);
        string problem = error.IsError ? WhyNotOpened(path, ref error) : WhyNot(status, path);
        error = problem.Length > 0 ? error : FileCalls.TryLock(file);
        if (problem.Length == 0 && !error.IsError)
        {
            taken = new FileLock(file);
            return true;
        }

        problem = problem.Length > 0 ? problem : $"the lock file {path} cannot be locked: {error.Text()}";
        refusal = new FileLockRefusal(
            error, problem, error == Errno.EAGAIN ? ReadContent(file) : string.Empty);
        file.Dispose();
        return false;
    }

    /// <summary>Replaces the file's content.</summary>
    /// <exception cref="IOException">There is no space, or the disk fails.</exception>
    public void Write(ReadOnlySpan<byte> content)
    {
        RandomAccess.SetLength(_file, 0);
        RandomAccess.Write(_file, content, 0);
    }

    /// <summary>Checks that the disk has space for a number of bytes: writes as many, and removes them again.</summary>
    /// <exception cref="IOException">There is no space, or the disk fails.</exception>
    public void CheckSpace(int size)
    {
        Write(new byte[size]);
        RandomAccess.FlushToDisk(_file);
        RandomAccess.SetLength(_file, 0);
    }

    /// <summary>
    /// Gives the lock back at once. Closing alone would not: a process that is being started has a duplicate of every
    /// descriptor, until it executes its program.
    /// </summary>
    public void Dispose()
    {
        if (!_file.IsClosed)
        {
            _ = FileCalls.Unlock(_file);
            _file.Dispose();
        }
    }

    /// <summary>
    /// Returns why a file cannot be a lock file; empty when it can. A file with a second name may belong to another
    /// program.
    /// </summary>
    private static string WhyNot(in FileStatus status, string path) =>
        SafeFile.WhyNot(status, path) is { Length: > 0 } problem ? problem
        : status.Links > 1 ? $"the lock file {path} has a second name (a hard link). Remove {path}" : string.Empty;

    /// <summary>Returns why a file cannot be opened; without an error where something else is in its place.</summary>
    private static string WhyNotOpened(string path, ref Errno error)
    {
        _ = FileCalls.Open(path, OpenOptions.PathOnly | OpenOptions.NoFollow, 0, out SafeFileHandle place);
        using (place)
        {
            FileStatus status = default;
            bool isOther = !place.IsInvalid && !FileStatus.Read(place, out status).IsError && !status.IsRegularFile;
            string problem = isOther ? WhyNot(status, path) : $"the lock file {path} cannot be opened: {error.Text()}";
            error = isOther ? Errno.None : error;
            return problem;
        }
    }

    private static string ReadContent(SafeFileHandle file)
    {
        byte[] content = new byte[MaxContent];
        int length = RandomAccess.Read(file, content, 0);
        return Encoding.UTF8.GetString(content, 0, length);
    }
}

/// <summary>Makes the message that says why a lock was not taken.</summary>
/// <param name="Error">
/// EAGAIN when another process holds it; none when the file is not what a lock file has to be.
/// </param>
/// <param name="Problem">The problem, and its place.</param>
/// <param name="Holder">The text that the present holder wrote into the file.</param>
public readonly record struct FileLockRefusal(Errno Error, string Problem, string Holder)
{
    /// <summary>True when another process holds the lock.</summary>
    public bool IsHeld => Error == Errno.EAGAIN;
}
