using TpmFs.Fuse;
using TpmFs.Openers;
using TpmFs.Policy;
using TpmFs.Rm;

namespace TpmFs.Domains;

/// <summary>
/// A directory of nodes with limits, a command policy and statistics of its own: the root, each users/UID and each
/// domains/NAME. Any thread.
/// </summary>
/// <remarks>
/// The lock guards all fields and is held for a few instructions; openers are ended without it. What holds of the
/// limits is what was changed at run time, else what is configured.
/// </remarks>
internal sealed class Domain
{
    /// <summary>Openers that the administrator may have although the domain is full.</summary>
    private const int AdministratorsOpeners = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, Opener> _openers = [];
    // openers that have ended and are not closed yet, and their TPMs
    private readonly Dictionary<ulong, int> _revoked = [];
    private readonly Dictionary<(int Tpm, uint Uid), SchedulingGroup> _groups = [];
    private readonly SpaceLimits _spaceLimits = new();
    private readonly ILimitStore _store;
    private readonly bool _isShared;
    private readonly Func<uint, Standing> _standing;
    // an opener has one until its last descriptor is closed
    private readonly FairShares _places = new(AdministratorsOpeners);
    private Limits _configured;
    private Limits _changed;
    private Limits _limits;
    private bool _gone;

    /// <param name="path">Its place in the tree; the root's is empty.</param>
    /// <param name="configured">Its limits, complete.</param>
    /// <param name="isShared">
    /// Whether its users are fair to each other by a share of the TPM's time for each: so it is in the root. Elsewhere
    /// the domain as a whole has one.
    /// </param>
    /// <param name="standing">What a user is to the domain, by uid.</param>
    public Domain(string path, Limits configured, ILimitStore store, bool isShared, Func<uint, Standing> standing)
    {
        Path = path;
        _configured = configured;
        _store = store;
        _isShared = isShared;
        _standing = standing;
        _changed = store.Find(path);
        _limits = _changed.Over(configured);
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
            lock (_gate)
            {
                return _limits;
            }
        }
    }

    /// <summary>The openers that are open, oldest first.</summary>
    public Opener[] Openers
    {
        get
        {
            lock (_gate)
            {
                return [.. _openers.Values.OrderBy(opener => opener.Identity.Id)];
            }
        }
    }

    /// <summary>What all its openers of a TPM, those that are closed too, have used there.</summary>
    /// <param name="tpm">The TPM's number; null for all of them.</param>
    public Usage[] UsagesOf(int? tpm)
    {
        lock (_gate)
        {
            return [.. _groups.Where(entry => tpm is null || entry.Key.Tpm == tpm).Select(entry => entry.Value.Usage)];
        }
    }

    /// <summary>Returns how many openers were revoked and are still held open.</summary>
    /// <param name="tpm">The TPM's number; null for all of them.</param>
    public int CountRevoked(int? tpm)
    {
        lock (_gate)
        {
            return _revoked.Values.Count(of => tpm is null || of == tpm);
        }
    }

    /// <summary>
    /// The share of a TPM's time that a user has in this domain. Always the same one for a user, because saved sessions
    /// are shared within it.
    /// </summary>
    public SchedulingGroup GroupOf(int tpm, uint uid)
    {
        (int tpm, uint) key = (tpm, _isShared ? uid : 0);
        lock (_gate)
        {
            if (!_groups.TryGetValue(key, out SchedulingGroup? group))
            {
                group = new SchedulingGroup(_isShared ? $"{Name}:{uid}" : Name, _spaceLimits)
                {
                    Weight = _limits.Weight!.Value,
                    Denied = _limits.Denied!,
                };
                _groups.Add(key, group);
            }

            return group;
        }
    }

    /// <summary>
    /// Gives a user's new opener a place. ENFILE when the domain is full, or the user's share of it; ENODEV when the
    /// domain is gone.
    /// </summary>
    public Errno Enter(uint uid)
    {
        lock (_gate)
        {
            if (_gone)
            {
                return SpaceErrno.Gone;
            }

            return _places.TryTake(uid, _standing(uid), _limits.OpenersMax!.Value)
                ? Errno.None : SpaceErrno.TooManyOpeners;
        }
    }

    /// <summary>
    /// Takes the place of a user's opener back: nothing was opened after all. An opener keeps its place until its last
    /// descriptor is closed, revoked or not, because its open file still costs memory.
    /// </summary>
    public void Leave(uint uid) => _places.Return(uid);

    /// <summary>Takes back the place of an opener whose last descriptor is closed.</summary>
    public void Leave(Opener closed)
    {
        lock (_gate)
        {
            _revoked.Remove(closed.Identity.Id);
        }

        Leave(closed.Identity.Uid);
    }

    /// <summary>One who had entered is open now. False when the domain went meanwhile.</summary>
    public bool TryAdd(Opener opener)
    {
        lock (_gate)
        {
            return !_gone && _openers.TryAdd(opener.Identity.Id, opener);
        }
    }

    /// <summary>Forgets an opener that has ended: it was closed or revoked.</summary>
    public void Remove(Opener opener)
    {
        lock (_gate)
        {
            _openers.Remove(opener.Identity.Id);
            if (!opener.IsReleased)
            {
                _revoked[opener.Identity.Id] = opener.Identity.Tpm;
            }
        }
    }

    public Opener? FindOpener(ulong id)
    {
        lock (_gate)
        {
            return _openers.GetValueOrDefault(id);
        }
    }

    /// <summary>
    /// Changes limits at run time. What is open is held to them from its next command on. ENODEV when the domain is
    /// gone.
    /// </summary>
    public Errno Change(Func<Limits, Limits> change)
    {
        lock (_gate)
        {
            if (_gone)
            {
                return SpaceErrno.Gone;
            }

            _changed = change(_changed);
            _store.Keep(Path, _changed);
            Apply();
            return Errno.None;
        }
    }

    /// <summary>
    /// Drops what <paramref name="drop"/> takes out of what was changed at run time. What that comes to; nothing when
    /// the domain is gone.
    /// </summary>
    public LimitsChange Reset(Func<Limits, Limits> drop)
    {
        lock (_gate)
        {
            Limits before = _limits;
            _ = Change(drop);
            return new LimitsChange(before, _limits);
        }
    }

    /// <summary>What is configured is another now; complete. What that comes to.</summary>
    public LimitsChange Configure(Limits complete)
    {
        lock (_gate)
        {
            Limits before = _limits;
            _configured = complete;
            Apply();
            return new LimitsChange(before, _limits);
        }
    }

    /// <summary>
    /// The domain is gone, for good: its openers end, and nobody comes in. What its groups still hold is their TPMs'
    /// managers' to flush.
    /// </summary>
    /// <param name="tell">Is told of each opener that ends.</param>
    public (int Tpm, SchedulingGroup Group)[] End(Action<OpenerIdentity> tell)
    {
        Opener[] left;
        (int, SchedulingGroup)[] held;
        lock (_gate)
        {
            _gone = true;
            left = [.. _openers.Values];
            held = [.. _groups.Select(entry => (entry.Key.Tpm, entry.Value))];
        }

        foreach (Opener opener in left)
        {
            tell(opener.Identity);
            opener.Revoke();
        }

        return held;
    }

    /// <summary>Under the lock, or before anybody else knows it.</summary>
    private void Apply()
    {
        _limits = _changed.Over(_configured);
        _spaceLimits.ObjectsMax = _limits.ObjectsMax!.Value;
        _spaceLimits.SessionsMax = _limits.SessionsMax!.Value;
        _spaceLimits.SavedSessionsMax = _limits.SavedSessionsMax!.Value;
        foreach (SchedulingGroup group in _groups.Values)
        {
            group.Weight = _limits.Weight!.Value;
            group.Denied = _limits.Denied!;
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
