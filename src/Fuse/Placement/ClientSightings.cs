using System.Numerics;

namespace TpmFs.Fuse.Placement;

/// <summary>On which CPUs clients were seen lately, one sighting at each look.</summary>
internal sealed class ClientSightings
{
    /// <summary>Clients are spread where another client was on another CPU in as many of the last 16 looks.</summary>
    private const int ChangesOfSpread = 4;

    private uint _client;
    private int _cpu;
    private ushort _changes;
    private byte _others;

    /// <summary>
    /// True when clients on several CPUs take turns. They are not chased. A single client that moves about is.
    /// </summary>
    public bool AreSpread => BitOperations.PopCount(_changes) >= ChangesOfSpread;

    /// <summary>True when each of the last 8 looks saw the same client.</summary>
    public bool AreOfOne => _others == 0;

    /// <summary>Adds what a look saw.</summary>
    /// <param name="client">The thread whose write was read last.</param>
    /// <param name="cpu">Where it was.</param>
    public void Add(uint client, int cpu)
    {
        bool isOther = _client != 0 && client != _client;
        _others = (byte)((_others << 1) | (isOther ? 1 : 0));
        _changes = (ushort)((_changes << 1) | (isOther && cpu != _cpu ? 1 : 0));
        (_client, _cpu) = (client, cpu);
    }
}
