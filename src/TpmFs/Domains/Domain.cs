using TpmFs.Fuse;
using TpmFs.Openers;
using TpmFs.Policy;
using TpmFs.Rm;

namespace TpmFs.Domains;

/// <summary>
/// A directory of nodes with limits, a command policy and statistics of its own: the root, each users/UID and each domains/NAME. Any thread.
/// </summary>
/// <remarks>
/// The lock guards all fields and is held for a few instructions; openers are ended without it. What holds of the limits is what was
/// changed at run time, else what is configured.
/// </remarks>
internal sealed class Domain
{
    private readonly Lock gate = new();
    private readonly Dictionary<ulong, Opener> openers = [];
    private readonly Dictionary<(int Tpm, uint Uid), SchedulingGroup> groups = [];
    private readonly SpaceLimits spaceLimits = new();
    private readonly ILimitStore store;
    private readonly bool isShared;
    private Limits configured;
    private Limits changed;
    private Limits limits;
    private int entered;
    private bool gone;

    /// <param name="path">Its place in the tree; the root's is empty.</param>
    /// <param name="configured">Its limits, complete.</param>
    /// <param name="isShared">
    /// Whether its users are fair to each other by a share of the TPM's time for each: so it is in the root. Elsewhere the domain as a whole has one.
    /// </param>
    public Domain(string path, Limits configured, ILimitStore store, bool isShared)
    {
        Path = path;
        this.configured = configured;
        this.store = store;
        this.isShared = isShared;
        changed = store.Find(path);
        limits = changed.Over(configured);
        Apply();
    }

    public string Path { get; }

    /// <summary>What a person calls it.</summary>
    public string Name => Path.Length == 0 ? "root" : Path;

    /// <summary>What holds now; complete.</summary>
    public Limits Limits
    {
        get
        {
            lock (gate)
            {
                return limits;
            }
        }
    }

    /// <summary>The openers that are open, oldest first.</summary>
    public Opener[] Openers
    {
        get
        {
            lock (gate)
            {
                return [.. openers.Values.OrderBy(opener => opener.Identity.Id)];
            }
        }
    }

    /// <summary>What all its openers of a TPM, those that are closed too, have used there.</summary>
    /// <param name="tpm">The TPM's number; null for all of them.</param>
    public Usage[] UsagesOf(int? tpm)
    {
        lock (gate)
        {
            return [.. groups.Where(entry => tpm is null || entry.Key.Tpm == tpm).Select(entry => entry.Value.Usage)];
        }
    }

    /// <summary>
    /// The share of a TPM's time that a user has in this domain. Always the same one for a user, because saved sessions are shared
    /// within it.
    /// </summary>
    public SchedulingGroup GroupOf(int tpm, uint uid)
    {
        var key = (tpm, isShared ? uid : 0);
        lock (gate)
        {
            if (!groups.TryGetValue(key, out var group))
            {
                group = new SchedulingGroup(isShared ? $"{Name}:{uid}" : Name, spaceLimits) { Weight = limits.Weight!.Value, Denied = limits.Denied! };
                groups.Add(key, group);
            }

            return group;
        }
    }

    /// <summary>Counts one more opener: ENFILE when there are as many as there may be, ENODEV when the domain is gone.</summary>
    public Errno Enter()
    {
        lock (gate)
        {
            if (gone)
            {
                return SpaceErrno.Gone;
            }

            if (entered >= limits.OpenersMax)
            {
                return SpaceErrno.TooManyOpeners;
            }

            entered++;
            return Errno.None;
        }
    }

    /// <summary>One who had entered opened nothing after all.</summary>
    public void Leave()
    {
        lock (gate)
        {
            entered--;
        }
    }

    /// <summary>One who had entered is open now. False when the domain went meanwhile.</summary>
    public bool TryAdd(Opener opener)
    {
        lock (gate)
        {
            return !gone && openers.TryAdd(opener.Identity.Id, opener);
        }
    }

    /// <summary>An opener has ended.</summary>
    public void Remove(Opener opener)
    {
        lock (gate)
        {
            openers.Remove(opener.Identity.Id);
            entered--;
        }
    }

    public Opener? FindOpener(ulong id)
    {
        lock (gate)
        {
            return openers.GetValueOrDefault(id);
        }
    }

    /// <summary>Changes limits at run time. What is open is held to them from its next command on. ENODEV when the domain is gone.</summary>
    public Errno Change(Func<Limits, Limits> change)
    {
        lock (gate)
        {
            if (gone)
            {
                return SpaceErrno.Gone;
            }

            changed = change(changed);
            store.Keep(Path, changed);
            Apply();
            return Errno.None;
        }
    }

    /// <summary>Drops what <paramref name="drop"/> takes out of what was changed at run time. What that comes to; nothing when the domain is gone.</summary>
    public LimitsChange Reset(Func<Limits, Limits> drop)
    {
        lock (gate)
        {
            var before = limits;
            _ = Change(drop);
            return new LimitsChange(before, limits);
        }
    }

    /// <summary>What is configured is another now; complete. What that comes to.</summary>
    public LimitsChange Configure(Limits complete)
    {
        lock (gate)
        {
            var before = limits;
            configured = complete;
            Apply();
            return new LimitsChange(before, limits);
        }
    }

    /// <summary>The domain is gone, for good: its openers end, and nobody comes in. What its groups still hold is their TPMs' managers' to flush.</summary>
    /// <param name="tell">Is told of each opener that ends.</param>
    public (int Tpm, SchedulingGroup Group)[] End(Action<OpenerIdentity> tell)
    {
        Opener[] left;
        (int, SchedulingGroup)[] held;
        lock (gate)
        {
            gone = true;
            left = [.. openers.Values];
            held = [.. groups.Select(entry => (entry.Key.Tpm, entry.Value))];
        }

        foreach (var opener in left)
        {
            tell(opener.Identity);
            opener.Revoke();
        }

        return held;
    }

    /// <summary>Under the lock, or before anybody else knows it.</summary>
    private void Apply()
    {
        limits = changed.Over(configured);
        spaceLimits.ObjectsMax = limits.ObjectsMax!.Value;
        spaceLimits.SessionsMax = limits.SessionsMax!.Value;
        spaceLimits.SavedSessionsMax = limits.SavedSessionsMax!.Value;
        foreach (var group in groups.Values)
        {
            group.Weight = limits.Weight!.Value;
            group.Denied = limits.Denied!;
        }
    }
}

/// <summary>Where limits that were changed at run time are kept over a restart. Any thread; never blocks.</summary>
internal interface ILimitStore
{
    /// <summary>What was kept for a domain; says nothing where nothing was.</summary>
    Limits Find(string path);

    void Keep(string path, Limits changed);
}
