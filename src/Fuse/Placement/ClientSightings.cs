using System.Numerics;

namespace TpmFs.Fuse.Placement;

/// <summary>On which CPUs clients were seen lately, one sighting at each look.</summary>
internal sealed class ClientSightings
{
    /// <summary>Clients are spread where the CPU was another in as many of the last 16 looks.</summary>
    private const int ChangesOfSpread = 4;

    private int _cpu = -1;
    private ushort _changes;

    /// <summary>True when clients on several CPUs take turns. They are not chased.</summary>
    public bool AreSpread => BitOperations.PopCount(_changes) >= ChangesOfSpread;

    /// <summary>True when the last two looks saw the same CPU.</summary>
    public bool IsSettled => (_changes & 1) == 0;

    /// <summary>Adds what a look saw.</summary>
    public void Add(int cpu)
    {
        bool isChange = _cpu >= 0 && cpu != _cpu;
        _changes = (ushort)((_changes << 1) | (isChange ? 1 : 0));
        _cpu = cpu;
    }

    /// <summary>Forgets what was seen.</summary>
    public void Clear() => _changes = 0;
}
