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
    /// <param name="path">The file. A symbolic link is not followed.</param>
    /// <param name="taken">The lock, for as long as it is not disposed of.</param>
    /// <param name="holder">What the present holder wrote into the file; empty where there is none.</param>
    /// <returns>Success, EAGAIN when another process holds the file, or why it cannot be opened or locked.</returns>
    public static Errno TryTake(string path, out FileLock? taken, out string holder)
    {
        taken = null;
        holder = string.Empty;
        Errno error = FileCalls.Open(
            path, OpenOptions.ReadWrite | OpenOptions.Create | OpenOptions.NoFollow | OpenOptions.NonBlock, Mode, out SafeFileHandle file);
        if (!error.IsError)
        {
            error = FileCalls.TryLock(file);
        }

        if (error.IsError)
        {
            holder = error == Errno.EAGAIN ? ReadContent(file) : string.Empty;
            file.Dispose();
            return error;
        }

        taken = new FileLock(file);
        return Errno.None;
    }

    /// <summary>Replaces the file's content.</summary>
    /// <exception cref="IOException">There is no space, or the disk fails.</exception>
    public void Write(ReadOnlySpan<byte> content)
    {
        RandomAccess.SetLength(_file, 0);
        RandomAccess.Write(_file, content, 0);
    }

    /// <summary>Sees whether there is space on the disk for so many bytes: writes them, and takes them away again.</summary>
    /// <exception cref="IOException">There is not, or the disk fails.</exception>
    public void CheckSpace(int size)
    {
        Write(new byte[size]);
        RandomAccess.FlushToDisk(_file);
        RandomAccess.SetLength(_file, 0);
    }

    public void Dispose() => _file.Dispose();

    private static string ReadContent(SafeFileHandle file)
    {
        byte[] content = new byte[MaxContent];
        int length = RandomAccess.Read(file, content, 0);
        return Encoding.UTF8.GetString(content, 0, length);
    }
}
