using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// A directory that only this process's user and root can write to, found by a path that only they can change. All work
/// on its files is done below the open directory, even when the directory's name leads to another place by then.
/// </summary>
public sealed class SafeDirectory : IDisposable
{
    private const uint OwnerReadWrite = 0b110_000_000;
    private const int MayWriteAndSearch = 0b011; // W_OK | X_OK

    private readonly OpenedPlace _place;
    private readonly string _path;

    private SafeDirectory(OpenedPlace place, string path) => (_place, _path) = (place, path);

    /// <summary>
    /// Opens a directory. Makes it (0700) if it is missing and <paramref name="creates"/> is true, with the missing
    /// directories above it.
    /// </summary>
    /// <param name="path">The directory.</param>
    /// <param name="creates">True to make it.</param>
    /// <param name="directory">The directory; the caller disposes of it.</param>
    /// <param name="error">ENOENT when it is not there; another error when a system call failed; else none.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    public static bool TryOpen(
        string path, bool creates, [NotNullWhen(true)] out SafeDirectory? directory, out Errno error,
        out string problem)
    {
        directory = null;
        if (!TrustedPath.TryOpen(path, PathOwners.Ours, creates, out OpenedPlace place, out error, out problem))
        {
            problem = !error.IsError ? problem
                : $"the directory {path} cannot be {(creates ? "made" : "opened")}: {problem}";
            return false;
        }

        problem = WhyNot(place.Status, path);
        if (problem.Length > 0)
        {
            place.Dispose();
            return false;
        }

        directory = new SafeDirectory(place, path);
        return true;
    }

    /// <summary>Returns success when this process may make files in the directory.</summary>
    public Errno CheckWritable() => FileCalls.CheckAccess(_place.Handle, ".", MayWriteAndSearch);

    /// <summary>
    /// Returns the problem of the directory's content; empty when there is none. Each entry must be a plain file or a
    /// directory that only this user and root can change, or a socket of theirs.
    /// </summary>
    public string WhyNotItsContent()
    {
        // The path by its descriptor: its name may lead to another directory by now.
        string here = FileCalls.PathOf(_place.Handle);
        foreach (string name in FileCalls.NamesIn(here, withHidden: true))
        {
            Errno error = Find(name, out OpenedPlace entry);
            using (entry)
            {
                string problem = error.IsError
                    ? error == Errno.ENOENT ? string.Empty : $"{_path}/{name}: {error.Text()}"
                    : WhyNotEntry(entry.Status, $"{_path}/{name}");
                if (problem.Length > 0)
                {
                    return problem;
                }
            }
        }

        return string.Empty;
    }

    /// <summary>Reads one of the directory's files, without following a symbolic link.</summary>
    /// <inheritdoc cref="SafeFile.TryRead(string, int, out byte[], out Errno, out string)"/>
    public bool TryRead(string name, int maxSize, out byte[] content, out Errno error, out string problem)
    {
        string path = Path.Combine(_path, name);
        content = [];
        error = Find(name, out OpenedPlace place);
        using (place)
        {
            problem = error.IsError ? $"{path}: {error.Text()}" : string.Empty;
            return !error.IsError && SafeFile.TryRead(place, path, maxSize, out content, out error, out problem);
        }
    }

    /// <summary>
    /// Replaces one of the directory's files as a whole (0600, where no mode is named). When this returns true, the new
    /// file is on the disk. If the machine dies meanwhile, the old file or the new one is there.
    /// </summary>
    /// <param name="name">The file's name. The new file is written beside it, with ".new" behind the name.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="problem">The error.</param>
    /// <param name="mode">The file's mode.</param>
    public bool TryReplace(string name, Action<Stream> write, out string problem, uint mode = OwnerReadWrite)
    {
        string next = name + ".new";
        Errno error = FileCalls.Remove(_place.Handle, next);
        if (error == Errno.None || error == Errno.ENOENT)
        {
            const int Flags = OpenOptions.WriteOnly | OpenOptions.Create | OpenOptions.Exclusive;
            error = FileCalls.OpenAt(
                _place.Handle, next, Flags | OpenOptions.NoFollow, mode, out SafeFileHandle file);
            if (error.IsError)
            {
                file.Dispose();
            }
            else
            {
                using var stream = new FileStream(file, FileAccess.Write);
                error = mode == OwnerReadWrite ? Errno.None : FileCalls.SetMode(file, mode); // whatever the umask is
                write(stream);
                stream.Flush(flushToDisk: true);
            }
        }

        error = error.IsError && error != Errno.ENOENT ? error : Rename(next, name);
        problem = error.IsError ? error.Text() : string.Empty;
        return !error.IsError;
    }

    /// <summary>Removes one of the directory's files. Removing a file that is not there succeeds.</summary>
    /// <param name="name">The file's name.</param>
    /// <param name="problem">The error.</param>
    public bool TryRemove(string name, out string problem)
    {
        Errno error = FileCalls.Remove(_place.Handle, name);
        bool isGone = !error.IsError || error == Errno.ENOENT;
        problem = isGone ? string.Empty : error.Text();
        return isGone;
    }

    /// <summary>
    /// Renames one of the directory's files, and replaces a file of the new name. The change is on the disk when this
    /// returns.
    /// </summary>
    public Errno Rename(string from, string to)
    {
        Errno error = FileCalls.Rename(_place.Handle, from, to);
        if (error.IsError)
        {
            return error;
        }

        error = _place.Open(OpenOptions.ReadOnly | OpenOptions.Directory, out SafeFileHandle directory);
        using (directory)
        {
            return error.IsError ? error : FileCalls.Synchronize(directory);
        }
    }

    public void Dispose() => _place.Dispose();

    private static string WhyNot(in FileStatus status, string path) =>
        !status.IsDirectory ? $"{path} is {status.Kind}, and not a directory. Name another, or remove it"
        : !Trust.IsOurs(status.Owner)
            ? $"the directory {path} belongs to user {status.Owner}, who decides what is in it. "
            + $"Name another, or look at what is in it and take it over: chown -R {ProcessCalls.EffectiveUserId} {path}"
        : status.IsWritableByOthers ? $"other users can write to the directory {path} (mode {status.Permissions}). "
            + $"Name another, or look at what is in it and take their permission away: chmod go-w {path}"
        : string.Empty;

    private static string WhyNotEntry(in FileStatus status, string path) =>
        status.IsDirectory ? WhyNot(status, path)
        : status.IsSocket && Trust.IsOurs(status.Owner) ? string.Empty
        : SafeFile.WhyNot(status, path);

    private Errno Find(string name, out OpenedPlace place)
    {
        Errno error = FileCalls.OpenAt(
            _place.Handle, name, OpenOptions.PathOnly | OpenOptions.NoFollow, 0, out SafeFileHandle handle);
        FileStatus status = default;
        error = error.IsError ? error : FileStatus.Read(handle, out status);
        place = new OpenedPlace(handle, status, Path.Combine(_path, name));
        return error;
    }
}
