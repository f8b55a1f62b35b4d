using System.Buffers.Binary;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>A command, piece by piece, in the order of the wire: handles, authorizations, parameters.</summary>
internal sealed class TpmCommandBuilder
{
    private const uint PasswordSession = 0x4000_0009;

    private readonly TpmCc _code;
    private readonly List<byte> _handles = [];
    private readonly List<byte> _authorizations = [];
    private readonly List<byte> _parameters = [];

    public TpmCommandBuilder(TpmCc code) => _code = code;

    public TpmCommandBuilder Handle(uint handle)
    {
        Append(_handles, handle);
        return this;
    }

    /// <summary>An authorization by an empty password.</summary>
    public TpmCommandBuilder Password() => Session(PasswordSession, TpmAuthorization.ContinueSession);

    public TpmCommandBuilder Password(ReadOnlySpan<byte> password)
    {
        Append(_authorizations, PasswordSession);
        _authorizations.AddRange([0, 0, TpmAuthorization.ContinueSession, (byte)(password.Length >> 8), (byte)password.Length, .. password]);
        return this;
    }

    /// <summary>An authorization by a session that needs neither nonce nor HMAC.</summary>
    public TpmCommandBuilder Session(uint session, byte attributes)
    {
        Append(_authorizations, session);
        _authorizations.AddRange([0, 0, attributes, 0, 0]);
        return this;
    }

    public TpmCommandBuilder Byte(byte value)
    {
        _parameters.Add(value);
        return this;
    }

    public TpmCommandBuilder UInt16(int value)
    {
        _parameters.AddRange([(byte)(value >> 8), (byte)value]);
        return this;
    }

    public TpmCommandBuilder UInt32(uint value)
    {
        Append(_parameters, value);
        return this;
    }

    public TpmCommandBuilder Bytes(ReadOnlySpan<byte> value)
    {
        _parameters.AddRange(value);
        return this;
    }

    /// <summary>A TPM2B: the size in two bytes, and the bytes.</summary>
    public TpmCommandBuilder Sized(ReadOnlySpan<byte> value) => UInt16(value.Length).Bytes(value);

    public byte[] Build()
    {
        bool sessions = _authorizations.Count > 0;
        List<byte> command = [.. new byte[TpmHeader.Length], .. _handles];
        if (sessions)
        {
            Append(command, (uint)_authorizations.Count);
            command.AddRange(_authorizations);
        }

        command.AddRange(_parameters);
        byte[] bytes = [.. command];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(sessions ? TpmSt.Sessions : TpmSt.NoSessions));
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(2), bytes.Length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(6), (uint)_code);
        return bytes;
    }

    /// <summary>What has been put in as parameters, without the rest.</summary>
    public byte[] Structure() => [.. _parameters];

    private static void Append(List<byte> to, uint value) => to.AddRange([(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value]);
}
