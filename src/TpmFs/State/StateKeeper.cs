using Serilog;
using TpmFs.Logs;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Records;

namespace TpmFs.State;

/// <summary>
/// Keeps what was changed at run time: in memory and, by a thread of its own, on disk. Any thread; only <see
/// cref="Dispose"/> waits.
/// </summary>
/// <remarks>
/// A change is answered before it is on disk: the threads that serve the kernel also carry TPM commands, and a disk
/// that takes its time would hold up all of them. Writing begins at once, pauses after each time, and takes along what
/// came meanwhile; a stop in order writes what is not written yet.
/// </remarks>
internal sealed class StateKeeper : IAccessStore, ILimitStore, IDisposable
{
    /// <summary>
    /// The time for which the disk is left alone after it was written to: users who own a domain may change it as often
    /// as they like.
    /// </summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>The same pause after the file could not be written.</summary>
    private static readonly TimeSpan s_pauseOfFailure = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly AutoResetEvent _changed = new(false);
    private readonly StateFile _file;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly Dictionary<string, ChangedAccess> _access = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Limits> _limits = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _made = new(StringComparer.Ordinal);
    private readonly StateRecords? _records;
    private readonly bool _writes;
    private bool _isDirty;
    private readonly ManualResetEvent _stopping = new(false);

    /// <summary>Reads what was kept. A damaged file is set aside, and what is configured holds.</summary>
    /// <param name="file">The file on disk.</param>
    /// <param name="now">The time, which a damaged file gets as a name.</param>
    /// <param name="log">Learns what a person should know.</param>
    /// <param name="records">
    /// The memory that keeps the changes for the next daemon. Changes that an earlier daemon left there win over the
    /// file, which may be older.
    /// </param>
    public StateKeeper(StateFile file, DateTimeOffset now, ILogger log, RecordStore? records = null)
    {
        _records = records is null ? null : new StateRecords(records);
        _file = file;
        _log = log;
        _writes = true;
        if (!file.TryRead(out StateDocument? document, out StateFault fault))
        {
            document = new StateDocument();
            _writes = TrySetAside(fault, now);
        }

        if (_records?.Read() is { } newer)
        {
            document = newer;
            _isDirty = true;
            _changed.Set();
        }
        else
        {
            _records?.Write(document);
        }

        Load(document);
        _thread = new Thread(Write) { IsBackground = true, Name = "state" };
        _thread.Start();
    }

    /// <summary>The directories made with mkdir.</summary>
    public string[] Made
    {
        get
        {
            lock (_gate)
            {
                return [.. _made];
            }
        }
    }

    ChangedAccess? IAccessStore.Find(string path)
    {
        lock (_gate)
        {
            return _access.TryGetValue(path, out ChangedAccess kept) ? kept : null;
        }
    }

    Limits ILimitStore.Find(string path)
    {
        lock (_gate)
        {
            return _limits.GetValueOrDefault(path, Limits.Unsaid);
        }
    }

    void IAccessStore.Keep(string path, ChangedAccess? kept) => Change(() =>
    {
        if (kept is { } one)
        {
            _access[path] = one;
            _records?.Keep(path, Saved.Of(one));
            return true;
        }

        _records?.Remove(RecordKind.Access, path);
        return _access.Remove(path);
    });

    void ILimitStore.Keep(string path, Limits kept) => Change(() =>
    {
        if (kept != Limits.Unsaid)
        {
            _limits[path] = kept;
            _records?.Keep(path, Saved.Of(kept));
            return true;
        }

        _records?.Remove(RecordKind.Limits, path);
        return _limits.Remove(path);
    });

    public void KeepMade(string path) => Change(() =>
    {
        _records?.KeepMade(path);
        return _made.Add(path);
    });

    public bool IsMade(string path)
    {
        lock (_gate)
        {
            return _made.Contains(path);
        }
    }

    /// <summary>Returns the places below a directory whose access or limits are kept.</summary>
    public string[] PlacesBelow(string path)
    {
        lock (_gate)
        {
            return [.. _access.Keys.Concat(_limits.Keys)
                .Where(at => at.StartsWith(path + "/", StringComparison.Ordinal))];
        }
    }

    /// <summary>
    /// Nothing of a place, nor of what is below it, is kept. That the directory was made is forgotten last, so that a
    /// daemon that is killed on the way leaves a directory that is still to be removed.
    /// </summary>
    public void Forget(string path) => Change(() =>
    {
        int count = Forget(RecordKind.Access, _access.Keys, path, at => _access.Remove(at));
        count += Forget(RecordKind.Limits, _limits.Keys, path, at => _limits.Remove(at));
        count += Forget(RecordKind.Made, _made, path, _made.Remove);
        return count > 0;
    });

    /// <summary>Writes what is not written yet.</summary>
    public void Dispose()
    {
        _stopping.Set();
        _changed.Set();
        _thread.Join();
        _changed.Dispose();
        _stopping.Dispose();
    }

    private void Change(Func<bool> change)
    {
        lock (_gate)
        {
            if (!change())
            {
                return;
            }

            _isDirty = true;
        }

        _changed.Set();
    }

    private int Forget(RecordKind kind, IEnumerable<string> kept, string path, Predicate<string> remove)
    {
        string below = path + "/";
        string[] forgotten = [.. kept.Where(at => at == path || at.StartsWith(below, StringComparison.Ordinal))];
        foreach (string at in forgotten)
        {
            _records?.Remove(kind, at);
            remove(at);
        }

        return forgotten.Length;
    }

    /// <summary>Keeps a file that cannot be used under another name, and says so.</summary>
    /// <returns>False when it had to stay: then nothing may be written.</returns>
    private bool TrySetAside(StateFault fault, DateTimeOffset now)
    {
        ILogger log = _log.Of(EventType.StateNotKept);
        string what = fault.IsNewer ? "was written by a newer tpmfs" : "is damaged";
        if (_file.TrySetAside(fault, now, out string obstacle) is not { } aside)
        {
            log.Error(
                "{File} {What} ({Problem}) and cannot be renamed ({Obstacle}). tpmfs leaves it as it is; changes from "
                    + "now on are lost when the daemon stops. Move the file away and restart tpmfs",
                _file.Path,
                what,
                fault.Problem,
                obstacle);
            return false;
        }

        log.Error(
            "{File} {What} ({Problem}). It is kept as {Aside}; modes, owners, limits and domains are as the "
                + "configuration says",
            _file.Path,
            what,
            fault.Problem,
            aside);
        if (fault.IsNewer)
        {
            log.Error(
                "To use that file again, stop tpmfs, install the newer tpmfs, and run: mv {Aside} {File}",
                aside,
                _file.Path);
        }

        return true;
    }

    private void Load(StateDocument document)
    {
        _made.UnionWith(document.Made);
        foreach ((string? path, SavedAccess? saved) in document.Access)
        {
            _access[path] = Saved.TryRead(saved, out ChangedAccess read)
                ? read : throw new InvalidOperationException("the state was checked when it was read");
        }

        foreach ((string? path, SavedLimits? saved) in document.Limits)
        {
            _limits[path] = Saved.TryRead(saved, out Limits read)
                ? read : throw new InvalidOperationException("the state was checked when it was read");
        }
    }

    private void Write()
    {
        bool isFailing = false;
        for (bool isLast = false; !isLast;)
        {
            if (!isFailing)
            {
                _changed.WaitOne();
            }

            isLast = _stopping.WaitOne(0); // before what is dirty is taken: what was changed before the stop is in it
            if (_writes && TakeDirty() is { } document)
            {
                isFailing = !TryWrite(document, wasFailing: isFailing, isLast);
                _stopping.WaitOne(isFailing ? s_pauseOfFailure : s_pause);
            }
        }
    }

    private bool TryWrite(StateDocument document, bool wasFailing, bool isLast)
    {
        if (_file.TryWrite(document, out string? problem))
        {
            if (wasFailing)
            {
                _log.Information("{File} could be written again; nothing is lost", _file.Path);
            }

            return true;
        }

        MarkDirty();
        if (!wasFailing || isLast)
        {
            _log.Of(EventType.StateNotKept)
                .Error(
                    "{File} cannot be written: {Problem}. The changes hold, and tpmfs tries again every {Time} s to "
                        + "write them; they are lost if it stops before that succeeds", _file.Path, problem,
                    (int)s_pauseOfFailure.TotalSeconds);
        }

        return false;
    }

    /// <summary>
    /// Takes what is not written yet. The texts are made without the lock, for which each chmod waits.
    /// </summary>
    private StateDocument? TakeDirty()
    {
        SortedSet<string> made;
        KeyValuePair<string, ChangedAccess>[] access;
        KeyValuePair<string, Limits>[] limits;
        lock (_gate)
        {
            if (!_isDirty)
            {
                return null;
            }

            _isDirty = false;
            made = new SortedSet<string>(_made, StringComparer.Ordinal);
            access = [.. _access];
            limits = [.. _limits];
        }

        return new StateDocument
        {
            Made = made,
            Access = new SortedDictionary<string, SavedAccess>(
                access.ToDictionary(kept => kept.Key, kept => Saved.Of(kept.Value)), StringComparer.Ordinal),
            Limits = new SortedDictionary<string, SavedLimits>(
                limits.ToDictionary(kept => kept.Key, kept => Saved.Of(kept.Value)), StringComparer.Ordinal),
        };
    }

    private void MarkDirty()
    {
        lock (_gate)
        {
            _isDirty = true;
        }
    }
}
