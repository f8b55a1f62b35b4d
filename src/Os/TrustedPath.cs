using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// Walks a path, and makes sure that only this process's user and root decide where it leads. Every directory on the
/// way must belong to one of these two. A directory that others can write to must be sticky, so that only an entry's
/// owner can rename the entry, and then the entry must belong to one of the two. A symbolic link is followed when it
/// belongs to one of the two. A directory that hides its content (0700) vouches for what is below it.
/// </summary>
internal sealed class TrustedPath : IDisposable
{
    private const uint OwnerOnly = 0b111_000_000;
    private const int PlaceOnly = OpenOptions.PathOnly | OpenOptions.NonBlock;

    private readonly string _path;
    private readonly PathOwners _owners;
    private readonly bool _creates;
    private readonly Stack<string> _rest = new();
    private SafeFileHandle _handle = new();
    private FileStatus _status;
    private string _here = "/";
    private bool _isHidden; // No other user can reach the walk's present place.
    private bool _isShared; // Other users can make entries beside the present place.
    private int _links;

    private TrustedPath(string path, PathOwners owners, bool creates)
    {
        _path = Path.GetFullPath(path);
        _owners = owners;
        _creates = creates;
        Push(_path);
    }

    /// <summary>Opens the place that a path leads to (O_PATH), which touches no device and waits for no pipe.</summary>
    /// <param name="path">A file or directory.</param>
    /// <param name="owners">Says to whom the directories on the way may belong.</param>
    /// <param name="creates">True to make missing directories (0700); then the path names a directory.</param>
    /// <param name="opened">The place; the caller disposes of it.</param>
    /// <param name="error">The error of the system call that failed, if one did.</param>
    /// <param name="problem">
    /// The error: its cause, its place, and the remedy; without the path's own name where a call failed.
    /// </param>
    public static bool TryOpen(
        string path, PathOwners owners, bool creates, out OpenedPlace opened, out Errno error, out string problem)
    {
        using var walk = new TrustedPath(path, owners, creates);
        error = walk.Run(out problem);
        opened = problem.Length == 0 ? walk.Take() : default;
        return problem.Length == 0;
    }

    public void Dispose() => _handle.Dispose();

    private OpenedPlace Take()
    {
        var place = new OpenedPlace(_handle, _status, _here);
        _handle = new SafeFileHandle();
        return place;
    }

    /// <summary>True when the owner of the walk's present place may decide where the path leads.</summary>
    private bool MayLead => _owners == PathOwners.Anybody || Trust.MayHoldParents(_status.Owner);

    private Errno Run(out string problem)
    {
        Errno error = Restart();
        problem = error.IsError ? error.Text() : WhyNotThrough();
        while (problem.Length == 0 && _rest.TryPop(out string? part))
        {
            error = Step(part);
            problem = error.IsError ? error.Text() : WhyNotThrough();
        }

        return error;
    }

    private Errno Restart()
    {
        _handle.Dispose();
        _isHidden = _isShared = false;
        _here = "/";
        Errno error = FileCalls.Open("/", PlaceOnly | OpenOptions.Directory, 0, out _handle);
        return error.IsError ? error : FileStatus.Read(_handle, out _status);
    }

    private Errno Step(string part)
    {
        if (!_status.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        Errno error = FileCalls.OpenAt(_handle, part, PlaceOnly | OpenOptions.NoFollow, 0, out SafeFileHandle next);
        if (error == Errno.ENOENT && _creates)
        {
            next.Dispose();
            error = FileCalls.MakeDirectoryAt(_handle, part, OwnerOnly);
            error = error.IsError && error != Errno.EEXIST
                ? error
                : FileCalls.OpenAt(_handle, part, PlaceOnly | OpenOptions.NoFollow, 0, out next);
        }

        if (error.IsError)
        {
            next.Dispose();
            return error;
        }

        bool wasUp = part == "..";
        _isHidden = !wasUp && (_isHidden || _status.HidesContent);
        _isShared = !wasUp && _status.IsWritableByOthers && !_isHidden;
        string parent = _here;
        _here = wasUp ? Path.GetDirectoryName(_here) ?? "/" : Path.Combine(_here, part);
        _handle.Dispose();
        _handle = next;
        error = FileStatus.Read(_handle, out _status);
        return error.IsError || !_status.IsSymbolicLink || !MayLead ? error : Follow(parent);
    }

    private Errno Follow(string parent)
    {
        if (_links++ == Links.Max)
        {
            return Errno.ELOOP;
        }

        string target = Links.Read(_here) ?? string.Empty;
        if (target.Length == 0)
        {
            return Errno.ENOENT;
        }

        Push(target);
        if (!Path.IsPathRooted(target))
        {
            Push(parent);
        }

        return Restart();
    }

    /// <summary>Returns why neither the place nor its content can be trusted; empty when they can.</summary>
    private string WhyNotThrough()
    {
        bool isEnd = _rest.Count == 0;
        if (_status.IsSymbolicLink && !MayLead)
        {
            return $"the symbolic link {_here} belongs to user {_status.Owner}, who decides where {_path} leads. "
                + "Remove it, or name another place";
        }

        if (_isShared && !Trust.MayHoldParents(_status.Owner))
        {
            return $"{_here} belongs to user {_status.Owner}, who made it in a directory that others can write to. "
                + "Remove it, or name another place";
        }

        if (isEnd)
        {
            return string.Empty; // The caller decides who may own the file or directory itself.
        }

        if (!MayLead)
        {
            return $"the directory {_here} belongs to user {_status.Owner}, who can put something else in the place of "
                + $"{_path}. Name another place, or give the directory to root: chown root {_here}";
        }

        return _status.IsWritableByOthers && !_status.IsSticky && !_isHidden
            ? $"other users can write to the directory {_here} (mode {_status.Permissions}), and put something else "
                + "in the "
                + $"place of {_path}. Name another place, or take their permission away: chmod go-w {_here}"
            : string.Empty;
    }

    private void Push(string path)
    {
        string[] parts = path.Split('/');
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            if (parts[i] is not ("" or "."))
            {
                _rest.Push(parts[i]);
            }
        }
    }
}

/// <summary>Says to whom the directories and links on a trusted path may belong.</summary>
internal enum PathOwners
{
    /// <summary>Directories must belong to root, or to this process's user.</summary>
    Ours,

    /// <summary>Directories may belong to any user: the person who named the path trusts that user.</summary>
    Anybody,
}

/// <summary>A place that a trusted path leads to, open with O_PATH.</summary>
/// <param name="Handle">The place's descriptor, disposed of with this.</param>
/// <param name="Status">The place's status at the time when it was opened.</param>
/// <param name="Path">The place's path, without symbolic links.</param>
internal readonly record struct OpenedPlace(SafeFileHandle Handle, FileStatus Status, string Path) : IDisposable
{
    /// <summary>Opens the file at the place, even when its name leads to another file by now.</summary>
    public Errno Open(int flags, out SafeFileHandle file) =>
        FileCalls.Open(FileCalls.PathOf(Handle), flags | OpenOptions.NoTerminal, 0, out file);

    public void Dispose() => Handle.Dispose();
}
