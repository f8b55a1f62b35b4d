using Serilog;
using TpmFs.Domains;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Policy;

namespace TpmFs.State;

/// <summary>What was changed at run time, in memory and, by a thread of its own, on disk. Any thread; only <see cref="Dispose"/> waits.</summary>
/// <remarks>
/// A change is answered before it is on disk: the threads that serve the kernel also carry TPM commands, and a disk that takes its time would
/// hold up all of them. Writing begins at once, takes along what comes meanwhile, and what a stop in order has not written yet it writes.
/// </remarks>
internal sealed class StateKeeper : IAccessStore, ILimitStore, IDisposable
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly AutoResetEvent changed = new(false);
    private readonly StateFile file;
    private readonly ILogger log;
    private readonly Thread thread;
    private readonly Dictionary<string, Access> access = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Limits> limits = new(StringComparer.Ordinal);
    private readonly SortedSet<string> made = new(StringComparer.Ordinal);
    private readonly bool writes;
    private bool isDirty;
    private volatile bool stopping;

    /// <summary>Reads what was kept. A damaged file is set aside, and what is configured holds.</summary>
    public StateKeeper(StateFile file, DateTimeOffset now, ILogger log)
    {
        this.file = file;
        this.log = log;
        writes = true;
        if (!file.TryRead(out var document, out var problem))
        {
            document = new StateDocument();
            var aside = file.TrySetAside(now, out var obstacle);
            writes = aside is not null;
            if (writes)
            {
                log.Of(EventType.StateNotKept).Error("{File} is damaged ({Problem}); it is kept as {Aside}, and modes, owners, limits and domains are as configured", file.Path, problem, aside);
            }
            else
            {
                log.Of(EventType.StateNotKept).Error(
                    "{File} is damaged ({Problem}) and cannot be set aside ({Obstacle}): it stays as it is, and what is changed from now on is lost when the daemon stops",
                    file.Path,
                    problem,
                    obstacle);
            }
        }

        Load(document);
        thread = new Thread(Write) { IsBackground = true, Name = "state" };
        thread.Start();
    }

    /// <summary>The directories made with mkdir.</summary>
    public string[] Made
    {
        get
        {
            lock (gate)
            {
                return [.. made];
            }
        }
    }

    Access? IAccessStore.Find(string path)
    {
        lock (gate)
        {
            return access.TryGetValue(path, out var kept) ? kept : null;
        }
    }

    Limits ILimitStore.Find(string path)
    {
        lock (gate)
        {
            return limits.GetValueOrDefault(path, Limits.Unsaid);
        }
    }

    void IAccessStore.Keep(string path, Access? kept) => Change(() =>
    {
        if (kept is { } one)
        {
            access[path] = one;
            return true;
        }

        return access.Remove(path);
    });

    void ILimitStore.Keep(string path, Limits kept) => Change(() =>
    {
        if (kept != Limits.Unsaid)
        {
            limits[path] = kept;
            return true;
        }

        return limits.Remove(path);
    });

    public void KeepMade(string path) => Change(() => made.Add(path));

    public bool IsMade(string path)
    {
        lock (gate)
        {
            return made.Contains(path);
        }
    }

    /// <summary>Nothing of a place, nor of what is below it, is kept.</summary>
    public void Forget(string path) => Change(() =>
    {
        var below = path + "/";
        var count = made.RemoveWhere(kept => kept == path || kept.StartsWith(below, StringComparison.Ordinal));
        foreach (var kept in access.Keys.Where(kept => kept == path || kept.StartsWith(below, StringComparison.Ordinal)).ToArray())
        {
            count += access.Remove(kept) ? 1 : 0;
        }

        foreach (var kept in limits.Keys.Where(kept => kept == path || kept.StartsWith(below, StringComparison.Ordinal)).ToArray())
        {
            count += limits.Remove(kept) ? 1 : 0;
        }

        return count > 0;
    });

    /// <summary>Writes what is not written yet.</summary>
    public void Dispose()
    {
        stopping = true;
        changed.Set();
        thread.Join();
        changed.Dispose();
    }

    private void Change(Func<bool> change)
    {
        lock (gate)
        {
            if (!change())
            {
                return;
            }

            isDirty = true;
        }

        changed.Set();
    }

    private void Load(StateDocument document)
    {
        made.UnionWith(document.Made);
        foreach (var (path, saved) in document.Access)
        {
            access[path] = Saved.TryRead(saved, out Access read) ? read : throw new InvalidOperationException("the state was checked when it was read");
        }

        foreach (var (path, saved) in document.Limits)
        {
            limits[path] = Saved.TryRead(saved, out Limits read) ? read : throw new InvalidOperationException("the state was checked when it was read");
        }
    }

    private void Write()
    {
        var failing = false;
        for (var isLast = false; !isLast;)
        {
            changed.WaitOne(failing ? RetryAfter : Timeout.InfiniteTimeSpan);
            isLast = stopping; // before what is dirty is taken: what was changed before the stop is in it
            if (!writes || TakeDirty() is not { } document)
            {
                continue;
            }

            if (file.TryWrite(document, out var problem))
            {
                if (failing)
                {
                    log.Information("{File} could be written again; nothing is lost", file.Path);
                }

                failing = false;
                continue;
            }

            MarkDirty();
            if (!failing || isLast)
            {
                log.Of(EventType.StateNotKept).Error("{File} cannot be written: {Problem}. What was changed holds, and is tried again; it is lost if the daemon stops before", file.Path, problem);
            }

            failing = true;
        }
    }

    private StateDocument? TakeDirty()
    {
        lock (gate)
        {
            if (!isDirty)
            {
                return null;
            }

            isDirty = false;
            return new StateDocument
            {
                Made = new SortedSet<string>(made, StringComparer.Ordinal),
                Access = new SortedDictionary<string, SavedAccess>(access.ToDictionary(kept => kept.Key, kept => Saved.Of(kept.Value)), StringComparer.Ordinal),
                Limits = new SortedDictionary<string, SavedLimits>(limits.ToDictionary(kept => kept.Key, kept => Saved.Of(kept.Value)), StringComparer.Ordinal),
            };
        }
    }

    private void MarkDirty()
    {
        lock (gate)
        {
            isDirty = true;
        }
    }
}
