using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// The sessions of a TPM that has room for all and shows each opener its own: a loaded session is its opener's, a saved
/// one belongs to everybody of the same uid, group and locality. Indices are never given twice.
/// </summary>
internal sealed class IdealSessions(ModelLimits limits) : ISessionStore
{
    private readonly SortedDictionary<uint, Entry> _entries = [];
    private uint _nextIndex;
    private ulong _nextContext = 1;

    /// <summary>Who asks.</summary>
    public IdealOpener Current { get; set; } = null!;

    /// <summary>The saved sessions of all.</summary>
    public int SavedTotal => _entries.Values.Count(e => e.Session is null);

    /// <summary>All sessions of all.</summary>
    public int ActiveTotal => _entries.Count;

    public uint LastIndex => Handles.IndexMask - 1;

    public int LoadedCount => _entries.Values.Count(IsOwn);

    public int LoadedAvailable => limits.SessionsMax - LoadedCount;

    public int ActiveCount => LoadedCount + SavedHandles().Count();

    public int ActiveAvailable => LoadedAvailable;

    public TpmSession? Loaded(uint handle) => Find(handle) is { } entry && IsOwn(entry) ? entry.Session : null;

    public bool IsSaved(uint handle) => Find(handle) is { } entry && IsSharedWith(entry, Current);

    public uint Start(TpmSession session, out uint handle)
    {
        handle = session.HandleAt(_nextIndex);
        if (LoadedAvailable <= 0)
        {
            return Rc.SessionMemory;
        }

        _entries.Add(_nextIndex++, new Entry { Session = session, Holder = Current });
        return Rc.Success;
    }

    public uint Save(uint handle, out ulong contextId)
    {
        contextId = _nextContext++;
        Entry entry = Find(handle)!;
        (entry.Session, entry.ContextId) = (null, contextId);
        var shared = _entries.Where(e => IsSharedWith(e.Value, Current)).OrderBy(e => e.Value.ContextId).ToList();
        shared.Take(shared.Count - limits.SavedSessionsMax).ToList().ForEach(e => _entries.Remove(e.Key));
        return Rc.Success;
    }

    public uint Load(uint handle, ulong contextId, TpmSession session)
    {
        if (!IsSaved(handle) || Find(handle) is not { } entry || entry.ContextId != contextId)
        {
            return Rc.Handle.P(1);
        }

        if (LoadedAvailable <= 0)
        {
            return Rc.SessionMemory;
        }

        (entry.Session, entry.Holder) = (session, Current);
        return Rc.Success;
    }

    public bool Flush(uint handle) =>
        (Loaded(handle) is not null || IsSaved(handle)) && _entries.Remove(Handles.IndexOf(handle));

    public IEnumerable<uint> LoadedHandles() =>
        from e in _entries where IsOwn(e.Value) select e.Value.Session!.HandleAt(e.Key);

    public IEnumerable<uint> SavedHandles() =>
        from e in _entries where IsSharedWith(e.Value, Current) select (Handles.HmacSession << 24) | e.Key;

    public object Preserve() => this;

    /// <summary>Everything was saved before a sleep, so that only a reset loses anything.</summary>
    public void Startup(StartupKind kind, object? preserved)
    {
        if (kind == StartupKind.Reset)
        {
            _entries.Clear();
        }
    }

    /// <summary>An opener is gone, and what it had loaded with it.</summary>
    public void Close(IdealOpener opener)
    {
        foreach (uint index in _entries.Where(e => e.Value.Session is not null && e.Value.Holder == opener)
            .Select(e => e.Key).ToArray())
        {
            _entries.Remove(index);
        }
    }

    private static bool IsSharedWith(Entry entry, IdealOpener opener) =>
        entry.Session is null && entry.Holder.Owner == opener.Owner;

    private bool IsOwn(Entry entry) => entry.Session is not null && entry.Holder == Current;

    private Entry? Find(uint handle) => _entries.GetValueOrDefault(Handles.IndexOf(handle));

    private sealed class Entry
    {
        /// <summary>Null while it is saved.</summary>
        public TpmSession? Session { get; set; }

        /// <summary>Who has it loaded, or saved it.</summary>
        public required IdealOpener Holder { get; set; }

        public ulong ContextId { get; set; }
    }
}
