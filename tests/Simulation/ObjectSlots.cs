namespace TpmFs.Simulation;

/// <summary>The transient objects that are loaded.</summary>
/// <param name="capacity">The number of objects that fit.</param>
/// <param name="reusesHandles">True when the lowest free handle is taken. Otherwise each handle is given once.</param>
internal sealed class ObjectSlots(int capacity, bool reusesHandles)
{
    private readonly SortedDictionary<uint, TpmObject> _objects = [];
    private readonly List<uint> _borrowed = [];
    private uint _next = Handles.FirstTransient;

    public int Capacity => capacity;

    /// <summary>The largest handle that an object can have here.</summary>
    public uint LastHandle { get; } =
        reusesHandles ? Handles.FirstTransient + (uint)capacity - 1 : Handles.LastTransient;

    public int Count => _objects.Count;

    /// <summary>The largest count there was.</summary>
    public int Peak { get; private set; }

    public bool IsFull => Count >= capacity;

    public IEnumerable<uint> LoadedHandles => _objects.Keys;

    public IEnumerable<TpmObject> Loaded => _objects.Values;

    public TpmObject? Find(uint handle) => _objects.GetValueOrDefault(handle);

    /// <summary>Loads an object where <see cref="IsFull"/> says that there is room.</summary>
    public uint Add(TpmObject item)
    {
        uint handle = reusesHandles ? LowestFree() : _next++;
        _objects.Add(handle, item);
        Peak = Math.Max(Peak, Count);
        return handle;
    }

    /// <summary>
    /// Marks a loaded object to go when the command ends: the copy of a persistent one, a sequence that is complete.
    /// </summary>
    public void FlushAfterCommand(uint handle) => _borrowed.Add(handle);

    public void CommandEnded()
    {
        foreach (uint handle in _borrowed)
        {
            _objects.Remove(handle);
        }

        _borrowed.Clear();
    }

    public bool Flush(uint handle) => _objects.Remove(handle);

    public void Flush(Func<TpmObject, bool> which)
    {
        foreach (uint handle in _objects.Where(o => which(o.Value)).Select(o => o.Key).ToArray())
        {
            _objects.Remove(handle);
        }
    }

    private uint LowestFree()
    {
        uint handle = Handles.FirstTransient;
        while (_objects.ContainsKey(handle))
        {
            handle++;
        }

        return handle;
    }
}
