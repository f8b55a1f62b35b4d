using System.Runtime.CompilerServices;

namespace TpmFs.Tpm.Wire;

/// <summary>
/// A command, parsed as far as a resource manager needs it: header, handle area, authorization area, and where the
/// parameters begin (Part 1, 18). It holds offsets only, and is used together with the bytes that it was parsed from.
/// </summary>
public struct TpmCommand
{
    private AuthorizationList _authorizations;

    public TpmHeader Header { get; private set; }

    public readonly TpmCc Code => Header.CommandCode;

    /// <summary>The attributes that the TPM gives this command.</summary>
    public TpmaCc Attributes { get; private set; }

    /// <summary>The number of handles in the handle area.</summary>
    public readonly int HandleCount => Attributes.CommandHandles;

    /// <summary>
    /// The number of entries in the authorization area, 0 to 3; 0 when the tag is TPM_ST_NO_SESSIONS.
    /// </summary>
    public int AuthorizationCount { get; private set; }

    /// <summary>
    /// Gets the place of the parameters, in bytes from the command's start. Valid after both areas are parsed.
    /// </summary>
    public int ParametersOffset { get; private set; }

    public readonly bool HasSessions => Header.Tag == TpmSt.Sessions;

    /// <summary>Returns where the <paramref name="index"/>th handle is, in bytes from the command's start.</summary>
    public static int HandleOffset(int index) => TpmHeader.Length + (index * sizeof(uint));

    public static TpmHandle Handle(ReadOnlySpan<byte> command, int index) =>
        TpmHandle.Read(command[HandleOffset(index)..]);

    public readonly TpmAuthorization Authorization(int index) => _authorizations[index];

    /// <summary>
    /// Parses the header and the handle area. On failure returns the code that a TPM gives (measured on libtpms):
    /// TPM_RC_INSUFFICIENT with the number of the first handle that is missing, TPM_RC_VALUE for an unknown tag,
    /// TPM_RC_BAD_TAG for a tag of something other than a command.
    /// </summary>
    /// <param name="bytes">One whole command; its size field says its length.</param>
    public static bool TryParseHandles(
        ReadOnlySpan<byte> bytes, TpmaCc attributes, out TpmCommand command, out TpmRc problem)
    {
        command = default;
        if (!TpmHeader.TryRead(bytes, out TpmHeader header) || header.Size != (uint)bytes.Length)
        {
            problem = TpmRc.CommandSize;
            return false;
        }

        command.Header = header;
        command.Attributes = attributes;
        if (header.Tag is not (TpmSt.NoSessions or TpmSt.Sessions))
        {
            problem = Enum.IsDefined(header.Tag) ? TpmRc.BadTag : TpmRc.ValueError;
            return false;
        }

        int present = Math.Min((bytes.Length - TpmHeader.Length) / sizeof(uint), command.HandleCount);
        if (present < command.HandleCount)
        {
            problem = TpmRc.Insufficient.ForHandle(present);
            return false;
        }

        command.ParametersOffset = HandleOffset(command.HandleCount);
        problem = TpmRc.Success;
        return true;
    }

    /// <summary>
    /// Parses the authorization area, which follows the handles where the tag is TPM_ST_SESSIONS. On failure returns
    /// the code that a TPM gives (measured on libtpms): 0x9A where the size field is cut short, 0x95 where it is below
    /// 9 or past the end. With the entry's number: 0x89A where an entry is cut short, 0x895 for a nonce or an HMAC
    /// larger than any digest and for a fourth entry, 0x884 for a handle that no session has, 0x8A1 for reserved
    /// attributes.
    /// </summary>
    public bool TryParseAuthorizations(ReadOnlySpan<byte> bytes, out TpmRc problem)
    {
        problem = TpmRc.Success;
        if (!HasSessions)
        {
            return true;
        }

        var area = new TpmReader(bytes[ParametersOffset..]);
        if (!area.TryReadUInt32(out uint size))
        {
            problem = TpmRc.Insufficient;
            return false;
        }

        if (size < TpmAuthorization.MinSize || size > (uint)area.Remaining.Length)
        {
            problem = TpmRc.Size;
            return false;
        }

        ParametersOffset += sizeof(uint) + (int)size;
        var reader = new TpmReader(area.Remaining[..(int)size]);
        while (!reader.Remaining.IsEmpty)
        {
            if (!TryReadEntry(ref reader, out problem))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryReadEntry(ref TpmReader reader, out TpmRc problem)
    {
        problem = TpmRc.Success;
        int index = AuthorizationCount;
        if (index == TpmAuthorization.Max)
        {
            problem = TpmRc.Size.ForSession(index);
            return false;
        }

        if (!reader.TryReadHandle(out TpmHandle session))
        {
            problem = TpmRc.Insufficient.ForSession(index);
            return false;
        }

        if (!session.IsSession && session.Value != (uint)TpmRh.Pw)
        {
            problem = TpmRc.ValueError.ForSession(index);
            return false;
        }

        byte attributes = 0;
        problem = SkipDigest(ref reader);
        if (problem.IsSuccess && !reader.TryReadByte(out attributes))
        {
            problem = TpmRc.Insufficient;
        }

        if (problem.IsSuccess)
        {
            problem = (attributes & TpmAuthorization.Reserved) != 0 ? TpmRc.ReservedBits : SkipDigest(ref reader);
        }

        if (!problem.IsSuccess)
        {
            problem = problem.ForSession(index);
            return false;
        }

        _authorizations[index] = new TpmAuthorization(session, attributes);
        AuthorizationCount++;
        return true;
    }

    /// <summary>Skips a nonce or an HMAC (TPM2B_DIGEST).</summary>
    private static TpmRc SkipDigest(ref TpmReader reader)
    {
        if (!reader.TryReadUInt16(out ushort size))
        {
            return TpmRc.Insufficient;
        }

        if (size > TpmAuthorization.MaxDigest)
        {
            return TpmRc.Size;
        }

        return reader.TryReadBytes(size, out _) ? TpmRc.Success : TpmRc.Insufficient;
    }

    [InlineArray(TpmAuthorization.Max)]
    private struct AuthorizationList
    {
        private TpmAuthorization _first;
    }
}
