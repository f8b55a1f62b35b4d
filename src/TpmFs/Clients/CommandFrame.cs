using System.Buffers.Binary;
using TpmFs.Tpm;

namespace TpmFs.Clients;

/// <summary>
/// Finds the command in the bytes of a write. A command's header has a tag, a size and a code, 10 bytes in all (TPM 2.0
/// library specification, Part 1, 18.2).
/// </summary>
internal static class CommandFrame
{
    public const int HeaderSize = 10;
    private const int SizeOffset = 2;
    private const int CodeOffset = 6;

    /// <summary>Returns the command code of a whole command.</summary>
    public static TpmCc CodeOf(ReadOnlySpan<byte> command) =>
        (TpmCc)BinaryPrimitives.ReadUInt32BigEndian(command[CodeOffset..]);

    /// <summary>
    /// The command that a write begins with, without what trails it. False when the write is shorter than a header, or
    /// than the size that the header gives, or that size is less than a header.
    /// </summary>
    public static bool TryTake(ReadOnlySpan<byte> written, out ReadOnlySpan<byte> command)
    {
        command = default;
        if (written.Length < HeaderSize)
        {
            return false;
        }

        uint size = BinaryPrimitives.ReadUInt32BigEndian(written[SizeOffset..]);
        if (size < HeaderSize || size > (uint)written.Length)
        {
            return false;
        }

        command = written[..(int)size];
        return true;
    }
}
