namespace TpmFs.Simulation;

/// <summary>
/// Sessions as the reference implementation keeps them: one entry for each active session, which holds either the slot
/// that the session is loaded in (from 1) or the low bits of the context id that it was saved under; the low bits must
/// stay unambiguous, so that nothing may be saved while the oldest saved one has those that come next (Part 1, 30.5:
/// the context gap).
/// </summary>
internal sealed class SessionTable(int loadedMax, int activeMax, uint contextGap) : ISessionStore
{
    private readonly TpmSession?[] _slots = new TpmSession?[loadedMax];
    private uint[] _entries = new uint[activeMax];
    private ulong _counter = (ulong)loadedMax + 1;
    private int _oldest = -1;

    public uint LastIndex => (uint)activeMax - 1;

    public int LoadedCount => _slots.Count(s => s is not null);

    public int LoadedAvailable => loadedMax - LoadedCount;

    public int ActiveCount => _entries.Count(e => e != 0);

    public int ActiveAvailable => activeMax - ActiveCount;

    /// <summary>The largest count of active sessions there was.</summary>
    public int ActivePeak { get; private set; }

    /// <summary>The 64-bit counter that context ids come from; settable, since nobody counts that far.</summary>
    public ulong ContextCounter
    {
        get => _counter;
        set => _counter = value;
    }

    private bool IsGapAtMaximum => _oldest >= 0 && _entries[_oldest] == Low(_counter);

    public TpmSession? Loaded(uint handle) =>
        Index(handle) is { } i && IsLoadedEntry(_entries[i]) ? _slots[_entries[i] - 1] : null;

    public bool IsSaved(uint handle) => Index(handle) is { } i && _entries[i] > loadedMax;

    public uint Start(TpmSession session, out uint handle)
    {
        handle = 0;
        int slot = Array.IndexOf(_slots, null);
        if (slot < 0)
        {
            return Rc.SessionMemory;
        }

        if (LoadedAvailable == 1 && IsGapAtMaximum)
        {
            return Rc.ContextGap;
        }

        int index = Array.IndexOf(_entries, 0u);
        if (index < 0)
        {
            return Rc.SessionHandles;
        }

        Occupy(index, slot, session);
        ActivePeak = Math.Max(ActivePeak, ActiveCount);
        handle = session.HandleAt((uint)index);
        return Rc.Success;
    }

    public uint Save(uint handle, out ulong contextId)
    {
        contextId = _counter;
        if (IsGapAtMaximum)
        {
            return Rc.ContextGap;
        }

        if (_counter == ulong.MaxValue)
        {
            return Rc.TooManyContexts;
        }

        int index = Index(handle)!.Value;
        _slots[_entries[index] - 1] = null;
        _entries[index] = Low(_counter);
        _counter++;
        if (Low(_counter) == 0)
        {
            _counter += (ulong)loadedMax + 1;
        }

        if (_oldest < 0)
        {
            _oldest = index;
        }

        return Rc.Success;
    }

    public uint Load(uint handle, ulong contextId, TpmSession session)
    {
        if (!IsSaved(handle) || Index(handle) is not { } index || _entries[index] != Low(contextId)
            || contextId > _counter || _counter - contextId > (ulong)contextGap + 1)
        {
            return Rc.Handle.P(1);
        }

        int slot = Array.IndexOf(_slots, null);
        if (slot < 0)
        {
            return Rc.SessionMemory;
        }

        if (LoadedAvailable == 1 && IsGapAtMaximum && index != _oldest)
        {
            return Rc.ContextGap;
        }

        Occupy(index, slot, session);
        if (index == _oldest)
        {
            FindOldest();
        }

        return Rc.Success;
    }

    public bool Flush(uint handle)
    {
        if (Index(handle) is not { } index || _entries[index] == 0)
        {
            return false;
        }

        uint entry = _entries[index];
        _entries[index] = 0;
        if (IsLoadedEntry(entry))
        {
            _slots[entry - 1] = null;
        }
        else if (index == _oldest)
        {
            FindOldest();
        }

        return true;
    }

    public IEnumerable<uint> LoadedHandles() =>
        from i in Enumerable.Range(0, activeMax)
        where IsLoadedEntry(_entries[i])
        select _slots[_entries[i] - 1]!.HandleAt((uint)i);

    public IEnumerable<uint> SavedHandles() =>
        from i in Enumerable.Range(0, activeMax)
        where _entries[i] > loadedMax
        select (Handles.HmacSession << 24) | (uint)i;

    public object Preserve() => new Preserved([.. _entries], _counter);

    public void Startup(StartupKind kind, object? preserved)
    {
        Array.Clear(_slots);
        if (kind == StartupKind.Reset)
        {
            Array.Clear(_entries);
            _counter = (ulong)loadedMax + 1;
        }
        else if (preserved is Preserved state)
        {
            _entries = [.. state.Entries.Select(e => e > loadedMax ? e : 0)];
            _counter = state.Counter;
        }

        FindOldest();
    }

    private int? Index(uint handle) => Handles.IndexOf(handle) is var i && i < activeMax ? (int)i : null;

    private bool IsLoadedEntry(uint entry) => entry != 0 && entry <= loadedMax;

    private uint Low(ulong contextId) => (uint)contextId & contextGap;

    private void Occupy(int index, int slot, TpmSession session)
    {
        _slots[slot] = session;
        _entries[index] = (uint)slot + 1;
    }

    /// <summary>The oldest is the one whose low bits come next after the counter's.</summary>
    private void FindOldest()
    {
        _oldest = -1;
        uint smallest = contextGap;
        for (int i = 0; i < activeMax; i++)
        {
            uint distance = (_entries[i] - Low(_counter)) & contextGap;
            if (_entries[i] > loadedMax && distance <= smallest)
            {
                smallest = distance;
                _oldest = i;
            }
        }
    }

    private sealed record Preserved(uint[] Entries, ulong Counter);
}
