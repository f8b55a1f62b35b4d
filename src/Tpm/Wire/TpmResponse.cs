using System.Buffers.Binary;

namespace TpmFs.Tpm.Wire;

/// <summary>What a resource manager reads of a response, and the responses that it makes itself.</summary>
public static class TpmResponse
{
    /// <summary>Where the handle of a response with a handle area is, in bytes from its start.</summary>
    public const int HandleOffset = TpmHeader.Length;

    /// <summary>The size in bytes of a response that is a header alone.</summary>
    public const int HeaderOnly = TpmHeader.Length;

    public static bool TryReadHandle(ReadOnlySpan<byte> response, out TpmHandle handle)
    {
        bool read = BinaryPrimitives.TryReadUInt32BigEndian(response[Math.Min(HandleOffset, response.Length)..], out uint value);
        handle = new TpmHandle(value);
        return read;
    }

    /// <summary>The parameters of a successful response, whether it has an authorization area or not.</summary>
    public static bool TryReadParameters(ReadOnlySpan<byte> response, bool hasHandle, out ReadOnlySpan<byte> parameters)
    {
        parameters = default;
        int offset = HandleOffset + (hasHandle ? sizeof(uint) : 0);
        if (!TpmHeader.TryRead(response, out TpmHeader header) || response.Length < offset)
        {
            return false;
        }

        if (header.Tag != TpmSt.Sessions)
        {
            parameters = response[offset..];
            return true;
        }

        var reader = new TpmReader(response[offset..]);
        return reader.TryReadUInt32(out uint size) && size <= int.MaxValue && reader.TryReadBytes((int)size, out parameters);
    }

    /// <summary>
    /// The session attributes in the authorization area of a successful response, one for each entry of the command's. False when the
    /// response has none or it does not parse; the caller then goes by what the command asked for.
    /// </summary>
    public static bool TryReadSessionAttributes(ReadOnlySpan<byte> response, bool hasHandle, Span<byte> attributes)
    {
        if (!TpmHeader.TryRead(response, out TpmHeader header)
            || header.Tag != TpmSt.Sessions
            || !TryReadParameters(response, hasHandle, out ReadOnlySpan<byte> parameters))
        {
            return false;
        }

        int offset = HandleOffset + (hasHandle ? sizeof(uint) : 0) + sizeof(uint) + parameters.Length;
        var reader = new TpmReader(response[offset..]);
        foreach (ref byte attribute in attributes)
        {
            if (!reader.TryReadSized(out _) || !reader.TryReadByte(out attribute) || !reader.TryReadSized(out _))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes a response that is a code alone; returns its size in bytes.</summary>
    public static int Write(Span<byte> buffer, TpmRc code)
    {
        var writer = new TpmWriter(buffer);
        writer.BeginMessage(TpmSt.NoSessions, code.Value);
        return writer.FinishMessage().Length;
    }
}
