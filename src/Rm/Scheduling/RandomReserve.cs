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
/// A user of a domain gets bytes while the user has had fewer than are left; what a user has had counts until the
/// reserve is full again. So one user alone gets half.
/// </remarks>
internal sealed class RandomReserve
{
    /// <summary>The most bytes that one answer may have.</summary>
    public const int LargestAnswer = 32;

    /// <summary>The reserve is kept at this many bytes: 128 probes of 8.</summary>
    public const int Target = 1024;

    /// <summary>A TPM2_GetRandom without sessions: a header and a count.</summary>
    private const int ProbeSize = TpmHeader.Length + sizeof(ushort);

    private readonly Lock _lock = new();
    private readonly byte[] _bytes = new byte[Target];

    /// <summary>
    /// The bytes that each user has had since the reserve was full; at most as many entries as bytes.
    /// </summary>
    private readonly Dictionary<DomainUser, int> _had = [];

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
    public bool TryAnswer(DomainUser user, ReadOnlySpan<byte> probe, Span<byte> response, out int length)
    {
        int wanted = BinaryPrimitives.ReadUInt16BigEndian(probe[TpmHeader.Length..]);
        lock (_lock)
        {
            length = 0;
            int had = _had.GetValueOrDefault(user);
            if (had + wanted > _count)
            {
                return false;
            }

            _had[user] = had + wanted;

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
