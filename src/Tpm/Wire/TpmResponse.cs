using System.Buffers.Binary;

namespace TpmFs.Tpm.Wire;

/// <summary>Reads what a resource manager needs of a response, and writes the responses that it makes itself.</summary>
public static class TpmResponse
{
    /// <summary>The place of a response's handle, in bytes from the response's start.</summary>
    public const int HandleOffset = TpmHeader.Length;

    /// <summary>The size in bytes of a response that consists of a header.</summary>
    public const int HeaderOnly = TpmHeader.Length;

    public static bool TryReadHandle(ReadOnlySpan<byte> response, out TpmHandle handle)
    {
        bool read = BinaryPrimitives.TryReadUInt32BigEndian(
            response[Math.Min(HandleOffset, response.Length)..], out uint value);
        handle = new TpmHandle(value);
        return read;
    }

    /// <summary>Reads the parameters of a successful response, with or without an authorization area.</summary>
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
        return reader.TryReadUInt32(out uint size)
            && size <= int.MaxValue
            && reader.TryReadBytes((int)size, out parameters);
    }

    /// <summary>
    /// Reads the session attributes in the authorization area of a successful response, one for each entry of the
    /// command's. Returns false when the response has no such area or does not parse. The caller then goes by what the
    /// command asked for.
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

    /// <summary>Writes a response that consists of a code. Returns its size in bytes.</summary>
    public static int Write(Span<byte> buffer, TpmRc code)
    {
        var writer = new TpmWriter(buffer);
        writer.BeginMessage(TpmSt.NoSessions, code.Value);
        return writer.FinishMessage().Length;
    }
}
