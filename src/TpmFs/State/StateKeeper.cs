using Serilog;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Policy;

namespace TpmFs.State;

/// <summary>
/// What was changed at run time, in memory and, by a thread of its own, on disk. Any thread; only <see cref="Dispose"/>
/// waits.
/// </summary>
/// <remarks>
/// A change is answered before it is on disk: the threads that serve the kernel also carry TPM commands, and a disk
/// that takes its time would hold up all of them. Writing begins at once, takes along what comes meanwhile, and what a
/// stop in order has not written yet it writes.
/// </remarks>
internal sealed class StateKeeper : IAccessStore, ILimitStore, IDisposable
{
    private static readonly TimeSpan s_retryAfter = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly AutoResetEvent _changed = new(false);
    private readonly StateFile _file;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly Dictionary<string, Access> _access = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Limits> _limits = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _made = new(StringComparer.Ordinal);
    private readonly bool _writes;
    private bool _isDirty;
    private volatile bool _stopping;

    /// <summary>Reads what was kept. A damaged file is set aside, and what is configured holds.</summary>
    public StateKeeper(StateFile file, DateTimeOffset now, ILogger log)
    {
        _file = file;
        _log = log;
        _writes = true;
        if (!file.TryRead(out StateDocument? document, out string? problem))
        {
            document = new StateDocument();
            string? aside = file.TrySetAside(now, out string? obstacle);
            _writes = aside is not null;
            if (_writes)
            {
                log.Of(EventType.StateNotKept)
                    .Error(
                        "{File} is damaged ({Problem}); it is kept as {Aside}, and modes, owners, limits and domains "
                            + "are as configured", file.Path, problem, aside);
            }
            else
            {
                log.Of(EventType.StateNotKept).Error(
                    "{File} is damaged ({Problem}) and cannot be set aside ({Obstacle}): it stays as it is, and what "
                        + "is changed from now on is lost when the daemon stops",
                    file.Path,
                    problem,
                    obstacle);
            }
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

    Access? IAccessStore.Find(string path)
    {
        lock (_gate)
        {
            return _access.TryGetValue(path, out Access kept) ? kept : null;
        }
    }

    Limits ILimitStore.Find(string path)
    {
        lock (_gate)
        {
            return _limits.GetValueOrDefault(path, Limits.Unsaid);
        }
    }

    void IAccessStore.Keep(string path, Access? kept) => Change(() =>
    {
        if (kept is { } one)
        {
            _access[path] = one;
            return true;
        }

        return _access.Remove(path);
    });

    void ILimitStore.Keep(string path, Limits kept) => Change(() =>
    {
        if (kept != Limits.Unsaid)
        {
            _limits[path] = kept;
            return true;
        }

        return _limits.Remove(path);
    });

    public void KeepMade(string path) => Change(() => _made.Add(path));

    public bool IsMade(string path)
    {
        lock (_gate)
        {
            return _made.Contains(path);
        }
    }

    /// <summary>Nothing of a place, nor of what is below it, is kept.</summary>
    public void Forget(string path) => Change(() =>
    {
        string below = path + "/";
        int count = _made.RemoveWhere(kept => kept == path || kept.StartsWith(below, StringComparison.Ordinal));
        foreach (string? kept in _access.Keys.Where(
            kept => kept == path || kept.StartsWith(below, StringComparison.Ordinal)).ToArray())
        {
            count += _access.Remove(kept) ? 1 : 0;
        }

        foreach (string? kept in _limits.Keys.Where(
            kept => kept == path || kept.StartsWith(below, StringComparison.Ordinal)).ToArray())
        {
            count += _limits.Remove(kept) ? 1 : 0;
        }

        return count > 0;
    });

    /// <summary>Writes what is not written yet.</summary>
    public void Dispose()
    {
        _stopping = true;
        _changed.Set();
        _thread.Join();
        _changed.Dispose();
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

    private void Load(StateDocument document)
    {
        _made.UnionWith(document.Made);
        foreach ((string? path, SavedAccess? saved) in document.Access)
        {
            _access[path] = Saved.TryRead(saved, out Access read)
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
        bool failing = false;
        for (bool isLast = false; !isLast;)
        {
            _changed.WaitOne(failing ? s_retryAfter : Timeout.InfiniteTimeSpan);
            isLast = _stopping; // before what is dirty is taken: what was changed before the stop is in it
            if (!_writes || TakeDirty() is not { } document)
            {
                continue;
            }

            if (_file.TryWrite(document, out string? problem))
            {
                if (failing)
                {
                    _log.Information("{File} could be written again; nothing is lost", _file.Path);
                }

                failing = false;
                continue;
            }

            MarkDirty();
            if (!failing || isLast)
            {
                _log.Of(EventType.StateNotKept)
                    .Error(
                        "{File} cannot be written: {Problem}. What was changed holds, and is tried again; it is lost "
                            + "if the daemon stops before", _file.Path, problem);
            }

            failing = true;
        }
    }

    private StateDocument? TakeDirty()
    {
        lock (_gate)
        {
            if (!_isDirty)
            {
                return null;
            }

            _isDirty = false;
            return new StateDocument
            {
                Made = new SortedSet<string>(_made, StringComparer.Ordinal),
                Access = new SortedDictionary<string, SavedAccess>(
                    _access.ToDictionary(kept => kept.Key, kept => Saved.Of(kept.Value)), StringComparer.Ordinal),
                Limits = new SortedDictionary<string, SavedLimits>(
                    _limits.ToDictionary(kept => kept.Key, kept => Saved.Of(kept.Value)), StringComparer.Ordinal),
            };
        }
    }

    private void MarkDirty()
    {
        lock (_gate)
        {
            _isDirty = true;
        }
    }
}
