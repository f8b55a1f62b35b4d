using System.Security.Cryptography;
using System.Text;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// An HMAC key that is a primary object, not subject to dictionary attack protection, whose answers can be checked.
/// </summary>
internal sealed class PrimaryKey
{
    public const uint StClear = 1 << 2;
    private const uint Attributes = 0x0004_0440; // userWithAuth, noDA, sign; the key is the caller's
    private const int AlgKeyedHash = 0x08, AlgHmac = 0x05, AlgSha256 = 0x0B;

    private readonly byte[] _secret;
    private readonly ITpmChannel _tpm;

    private PrimaryKey(ITpmChannel tpm, string name, uint attributes, uint hierarchy)
    {
        _tpm = tpm;
        _secret = Encoding.ASCII.GetBytes(name);
        Handle = tpm.Transact(new TpmCommandBuilder(TpmCc.CreatePrimary)
            .Handle(hierarchy).Password()
            .Sized(new ByteWriter().U16(0).Sized(_secret).ToArray())
            .Sized(
                new ByteWriter().U16(AlgKeyedHash).U16(AlgSha256).U32(attributes).U16(0).U16(AlgHmac).U16(AlgSha256)
                    .U16(0).ToArray())
            .U16(0).U32(0).Build()).NewHandle();
    }

    public uint Handle { get; }

    public static PrimaryKey Create(ITpmChannel tpm, string name, uint attributes = 0, uint hierarchy = Tpm2.Owner) =>
        new(tpm, name, Attributes | attributes, hierarchy);

    /// <summary>Uses the key and checks its answer.</summary>
    public void Use() => Check(_tpm.Transact(Tpm2.Hmac(Handle, _secret)));

    /// <summary>
    /// True when the opener still has the key: its answer is right. False when it says that there is no such object.
    /// Throws when anything else went wrong.
    /// </summary>
    public bool Lives()
    {
        byte[] response = _tpm.Transact(Tpm2.Hmac(Handle, _secret));
        if (response.Code() == 0x910)
        {
            return false;
        }

        Check(response);
        return true;
    }

    private void Check(byte[] response) => Assert.Equal(HMACSHA256.HashData(_secret, _secret), response.FirstSized());
}
