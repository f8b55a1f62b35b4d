using System.Buffers.Binary;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds random bytes from the TPM, each of which is used once. A device TCTI probes a node that it has opened with a
/// TPM2_GetRandom of a few bytes, and waits 1 s for the answer. While another opener's long command holds the TPM, the
/// manager answers the probe with these bytes. Any thread.
/// </summary>
/// <remarks>
/// Users and domains have shares of it (<see cref="DomainShares{TDomain}"/>); what a user has had counts until the
/// reserve is full again. The last bytes are root's.
/// </remarks>
internal sealed class RandomReserve
{
    /// <summary>The most bytes that one answer may have.</summary>
    public const int LargestAnswer = 32;

    /// <summary>The reserve is kept at this many bytes: 128 probes of 8.</summary>
    public const int Target = 1024;

    /// <summary>The bytes that only root gets: eight probes of 8.</summary>
    private const int RootsReserve = 64;

    /// <summary>A TPM2_GetRandom without sessions: a header and a count.</summary>
    private const int ProbeSize = TpmHeader.Length + sizeof(ushort);

    private readonly Lock _lock = new();
    private readonly byte[] _bytes = new byte[Target];

    private readonly DomainShares<SchedulingGroup> _had = new(); // since the reserve was full

    private int _count;

    public int Missing
    {
        get
        {
            lock (_lock)
            {
                return Target - _count;
            }
        }
    }

    /// <summary>Returns true when a command may be answered from the reserve.</summary>
    public static bool IsProbe(ReadOnlySpan<byte> command) =>
        command.Length == ProbeSize
        && TpmHeader.TryRead(command, out TpmHeader header)
        && header is { Tag: TpmSt.NoSessions, Size: ProbeSize, CommandCode: TpmCc.GetRandom }
        && BinaryPrimitives.ReadUInt16BigEndian(command[TpmHeader.Length..]) is > 0 and <= LargestAnswer;

    public void Add(ReadOnlySpan<byte> random)
    {
        lock (_lock)
        {
            int taken = Math.Min(random.Length, Target - _count);
            random[..taken].CopyTo(_bytes.AsSpan(_count));
            _count += taken;
            if (_count == Target)
            {
                _had.Clear();
            }
        }
    }

    /// <summary>Writes the response to a probe; false when too few bytes are left for this user.</summary>
    public bool TryAnswer(SpaceOwner owner, ReadOnlySpan<byte> probe, Span<byte> response, out int length)
    {
        int wanted = BinaryPrimitives.ReadUInt16BigEndian(probe[TpmHeader.Length..]);
        lock (_lock)
        {
            length = 0;
            if (!_had.AllowBeside(RootsReserve, owner.Group, owner.Payer, free: _count, wanted))
            {
                return false;
            }

            _had.Add(owner.Group, owner.Payer, wanted);
            Span<byte> used = _bytes.AsSpan(_count - wanted, wanted);
            var writer = new TpmWriter(response);
            writer.BeginMessage(TpmSt.NoSessions, TpmRc.Success.Value);
            writer.WriteUInt16((ushort)wanted);
            writer.WriteBytes(used);
            length = writer.FinishMessage().Length;
            used.Clear();
            _count -= wanted;
            return true;
        }
    }
}
