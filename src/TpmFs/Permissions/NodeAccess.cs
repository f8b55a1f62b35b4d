namespace TpmFs.Permissions;

/// <summary>A node's owner and permissions, which some kinds of node let users change. Any thread.</summary>
internal abstract class NodeAccess
{
    /// <summary>
    /// Raised after a change, and when the node has gone, on the thread that makes the change and without a lock. May
    /// come once too often.
    /// </summary>
    public event Action? Changed;

    public abstract Access Current { get; }

    /// <summary>True when the node is out of the tree.</summary>
    public bool IsRetired { get; private set; }

    /// <summary>Changes the access. The kernel has checked that the caller may.</summary>
    public abstract Errno Change(Func<Access, Access> change);

    /// <summary>Learns that the node is out of the tree: later changes have no effect on the store.</summary>
    public virtual void Retire()
    {
        IsRetired = true;
        OnChanged();
    }

    /// <summary>Returns to the access of the configuration. Returns true when that changes the access.</summary>
    public virtual bool Reset() => false;

    /// <summary>Returns access that never changes.</summary>
    public static NodeAccess Fixed(uint mode, uint uid, uint gid) => new FixedAccess(new Access(mode, uid, gid));

    protected void OnChanged() => Changed?.Invoke();

    private sealed class FixedAccess(Access access) : NodeAccess
    {
        public override Access Current => access;

        public override Errno Change(Func<Access, Access> change) => Errno.EPERM;
    }
}

/// <summary>Keeps changed access over a restart. Any thread; never blocks.</summary>
internal interface IAccessStore
{
    /// <summary>Returns the access that was kept for a place in the tree; null when none was.</summary>
    ChangedAccess? Find(string path);

    /// <summary>Keeps an access for a place in the tree; null forgets the kept one.</summary>
    void Keep(string path, ChangedAccess? changed);
}

/// <summary>Access that chmod, chown and setfacl change, and that is back after a restart.</summary>
/// <remarks>
/// A change holds while the configuration says what it said when the change was made. What an administrator configures
/// later holds instead: otherwise an owner who has once said chmod would stay the owner, whatever is configured. The
/// change stays in the store, since the system may fail to look up a configured owner for a while.
///
/// The lock also covers the store, so that the stored access is the present one, and none is stored for a node that was
/// removed.
/// </remarks>
internal sealed class KeptAccess : NodeAccess
{
    private readonly Lock _gate = new();
    private readonly IAccessStore _store;
    private readonly string _path;
    private readonly Func<Access, Access> _limit;
    private Access _initial;
    private Access _current;
    private bool _retired;

    /// <param name="path">The node's place in the tree; the root's is empty.</param>
    /// <param name="initial">The access until a user changes it.</param>
    /// <param name="limit">
    /// Removes from any access the permissions that the node never grants; null where it grants all.
    /// </param>
    public KeptAccess(IAccessStore store, string path, Access initial, Func<Access, Access>? limit = null)
    {
        _store = store;
        _path = path;
        _limit = limit ?? (access => access);
        Take(initial);
    }

    public override Access Current
    {
        get
        {
            lock (_gate)
            {
                return _current;
            }
        }
    }

    public override Errno Change(Func<Access, Access> change)
    {
        lock (_gate)
        {
            if (_retired)
            {
                return Errno.ENODEV;
            }

            _current = _limit(change(_current));
            _store.Keep(_path, _current == _initial ? null : new ChangedAccess(_current, _initial));
        }

        OnChanged();
        return Errno.None;
    }

    /// <summary>
    /// Replaces the configured access. The new one holds at once, unless a user has changed the very same one at run
    /// time. Returns true when that changes the access.
    /// </summary>
    public bool SetInitial(Access access)
    {
        bool isAnother;
        lock (_gate)
        {
            Access before = _current;
            Take(access);
            isAnother = _current != before;
        }

        return Tell(isAnother);
    }

    public override bool Reset()
    {
        bool isAnother;
        lock (_gate)
        {
            if (_retired)
            {
                return false;
            }

            Access before = _current;
            _current = _initial;
            _store.Keep(_path, null);
            isAnother = _current != before;
        }

        return Tell(isAnother);
    }

    public override void Retire()
    {
        lock (_gate)
        {
            _retired = true;
        }

        base.Retire();
    }

    /// <summary>Works out what holds. Under the lock, or in the constructor.</summary>
    private void Take(Access configured)
    {
        _initial = _limit(configured);
        _current = _store.Find(_path) is { } kept && kept.IsOf(_initial) ? _limit(kept.Access) : _initial;
    }

    private bool Tell(bool isAnother)
    {
        if (isAnother)
        {
            OnChanged();
        }

        return isAnother;
    }
}
