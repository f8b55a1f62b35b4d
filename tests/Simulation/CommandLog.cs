using System.Buffers.Binary;

namespace TpmFs.Simulation;

/// <summary>The commands that came to a simulated TPM: how many of each, and the bytes of the last ones.</summary>
internal sealed class CommandLog
{
    private readonly Dictionary<uint, long> _counts = [];
    private readonly Queue<byte[]> _last = new();

    /// <summary>The number of commands that are kept whole.</summary>
    public int Capacity { get; set; } = 256;

    /// <summary>Of all codes together.</summary>
    public long Total { get; private set; }

    /// <summary>By command code.</summary>
    public IReadOnlyDictionary<uint, long> Counts => _counts;

    /// <summary>The last commands, oldest first.</summary>
    public IReadOnlyList<byte[]> Commands => [.. _last];

    /// <summary>The codes of the last commands, oldest first.</summary>
    public IReadOnlyList<uint> Codes => [.. _last.Select(c => CodeOf(c))];

    public static uint CodeOf(ReadOnlySpan<byte> command) =>
        command.Length < 10 ? 0 : BinaryPrimitives.ReadUInt32BigEndian(command[6..]);

    public long Count(uint code) => _counts.GetValueOrDefault(code);

    public void Add(ReadOnlySpan<byte> command)
    {
        Total++;
        uint code = CodeOf(command);
        _counts[code] = Count(code) + 1;
        if (Capacity == 0)
        {
            return;
        }

        if (_last.Count == Capacity)
        {
            _last.Dequeue();
        }

        _last.Enqueue(command.ToArray());
    }

    /// <summary>Counts from zero again.</summary>
    public void Clear()
    {
        _counts.Clear();
        _last.Clear();
        Total = 0;
    }
}
