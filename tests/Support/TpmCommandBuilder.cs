using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.TestSupport;

/// <summary>
/// Builds a TPM command piece by piece, in the order of the wire: handles, authorizations, parameters.
/// </summary>
/// <param name="code">The command's code.</param>
public sealed class TpmCommandBuilder(TpmCc code)
{
    private const uint PasswordSession = 0x4000_0009;

    private readonly ByteWriter _bytes = new ByteWriter().U16((ushort)TpmSt.NoSessions).U32(0).U32((uint)code);
    private int _authorizationsAt;
    private bool _hasParameters;

    /// <summary>Adds a handle of the handle area.</summary>
    public TpmCommandBuilder Handle(uint handle)
    {
        Require(_authorizationsAt == 0 && !_hasParameters, "Handles come before authorizations and parameters.");
        _bytes.U32(handle);
        return this;
    }

    /// <summary>Adds an authorization by an empty password.</summary>
    public TpmCommandBuilder Password() => Password([]);

    /// <summary>Adds an authorization by a password.</summary>
    public TpmCommandBuilder Password(ReadOnlySpan<byte> password) =>
        Session(PasswordSession, TpmAuthorization.ContinueSession, nonce: [], password);

    /// <summary>Adds an authorization by a session that needs neither nonce nor HMAC.</summary>
    public TpmCommandBuilder Session(uint session, byte attributes) =>
        Session(session, attributes, nonce: [], hmac: []);

    /// <summary>Adds an authorization (TPMS_AUTH_COMMAND).</summary>
    public TpmCommandBuilder Session(uint session, byte attributes, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> hmac)
    {
        Require(!_hasParameters, "Authorizations come before parameters.");
        if (_authorizationsAt == 0)
        {
            _authorizationsAt = _bytes.Length;
            _bytes.U32(0);
        }

        _bytes.U32(session).Sized(nonce).U8(attributes).Sized(hmac);
        return this;
    }

    /// <summary>Adds a parameter of one byte.</summary>
    public TpmCommandBuilder U8(byte value)
    {
        Parameters.U8(value);
        return this;
    }

    /// <summary>Adds a parameter of two bytes.</summary>
    public TpmCommandBuilder U16(int value)
    {
        Parameters.U16(value);
        return this;
    }

    /// <summary>Adds a parameter of four bytes.</summary>
    public TpmCommandBuilder U32(uint value)
    {
        Parameters.U32(value);
        return this;
    }

    /// <summary>Adds bytes as they are.</summary>
    public TpmCommandBuilder Bytes(ReadOnlySpan<byte> value)
    {
        Parameters.Bytes(value);
        return this;
    }

    /// <summary>Adds a TPM2B: the size in two bytes, and the bytes.</summary>
    public TpmCommandBuilder Sized(ReadOnlySpan<byte> value)
    {
        Parameters.Sized(value);
        return this;
    }

    /// <summary>Returns the whole command, with its sizes and its tag filled in. It is called last.</summary>
    public byte[] Build()
    {
        EndAuthorizations();
        _bytes.PatchU32(2, (uint)_bytes.Length);
        return _bytes.ToArray();
    }

    private ByteWriter Parameters
    {
        get
        {
            EndAuthorizations();
            return _bytes;
        }
    }

    /// <summary>
    /// Fills in the tag and the authorization area's size when the first parameter, or the command's end, comes.
    /// </summary>
    private void EndAuthorizations()
    {
        if (!_hasParameters && _authorizationsAt > 0)
        {
            _bytes.PatchU16(0, (ushort)TpmSt.Sessions);
            _bytes.PatchU32(_authorizationsAt, (uint)(_bytes.Length - _authorizationsAt - sizeof(uint)));
        }

        _hasParameters = true;
    }

    private static void Require(bool isInOrder, string rule)
    {
        if (!isInOrder)
        {
            throw new InvalidOperationException(rule);
        }
    }
}
