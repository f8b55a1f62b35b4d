using System.Buffers.Binary;
using System.Security.Cryptography;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>The commands that these tests send themselves (TPM 2.0 library specification, Part 3).</summary>
internal static class Tpm2
{
    public const TpmCc HmacCode = (TpmCc)0x155;
    public const TpmCc UnsealCode = (TpmCc)0x15E;
    public const TpmCc PolicyGetDigestCode = (TpmCc)0x189;
    public const TpmCc PolicyCpHashCode = (TpmCc)0x16E;
    public const uint Owner = 0x4000_0001;
    public const uint Null = 0x4000_0007;
    public const uint TransientFirst = 0x8000_0000;
    public const uint LoadedSessions = 0x0200_0000;
    public const uint SavedSessions = 0x0300_0000;
    public const uint PersistentFirst = 0x8100_0000;

    private const int AlgRsa = 0x01, AlgAes =
        0x06, AlgKeyedHash = 0x08, AlgHmac = 0x05, AlgSha256 = 0x0B, AlgNull = 0x10, AlgEcc = 0x23, AlgCfb = 0x43;
    // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt
    private const uint StorageAttributes = 0x0003_0472;
    private const uint NoDa = 0x0000_0400;
    private const uint SealedAttributes = 0x0000_0440; // userWithAuth, noDA
    private const uint HmacKeyAttributes = 0x0004_0440; // userWithAuth, noDA, sign; the key is the caller's

    public static byte[] GetRandom(int bytes) => new TpmCommandBuilder(TpmCc.GetRandom).U16(bytes).Build();

    /// <summary>With an audit session that is neither salted nor bound, whose HMAC may therefore be empty.</summary>
    public static byte[] GetRandom(int bytes, uint auditSession) => new TpmCommandBuilder(TpmCc.GetRandom)
        .Session(auditSession, TpmAuthorization.Audit | TpmAuthorization.ContinueSession).U16(bytes).Build();

    public static byte[] ReadClock() => new TpmCommandBuilder(TpmCc.ReadClock).Build();

    /// <summary>An ECC P-256 storage key, the same one every time in the same hierarchy.</summary>
    /// <param name="hierarchy">The hierarchy's handle.</param>
    /// <param name="dictionary">True when the TPM protects the key against dictionary attacks.</param>
    public static byte[] CreatePrimary(uint hierarchy = Owner, bool dictionary = false) =>
        new TpmCommandBuilder(TpmCc.CreatePrimary)
        .Handle(hierarchy).Password()
        .Sized([0, 0, 0, 0])
        .Sized(new ByteWriter().U16(AlgEcc).U16(AlgSha256).U32(StorageAttributes & ~(dictionary ? NoDa : 0)).U16(0)
            .U16(AlgAes).U16(128).U16(AlgCfb).U16(AlgNull).U16(3).U16(AlgNull).U16(0).U16(0).ToArray())
        .U16(0).U32(0).Build();

    /// <summary>An RSA 3072 storage key in the null hierarchy: long enough to be caught while it is made.</summary>
    public static byte[] CreatePrimaryRsa() => new TpmCommandBuilder(TpmCc.CreatePrimary)
        .Handle(Null).Password()
        .Sized([0, 0, 0, 0])
        .Sized(new ByteWriter().U16(AlgRsa).U16(AlgSha256).U32(StorageAttributes).U16(0)
            .U16(AlgAes).U16(128).U16(AlgCfb).U16(AlgNull).U16(3072).U32(0).U16(0).ToArray())
        .U16(0).U32(0).Build();

    /// <summary>
    /// An HMAC key below <paramref name="parent"/> whose bytes are given, so that what it answers can be checked.
    /// </summary>
    public static byte[] CreateHmacKey(uint parent, ReadOnlySpan<byte> key) => new TpmCommandBuilder(TpmCc.Create)
        .Handle(parent).Password()
        .Sized(new ByteWriter().U16(0).Sized(key).ToArray())
        .Sized(new ByteWriter().U16(AlgKeyedHash).U16(AlgSha256).U32(HmacKeyAttributes).U16(0)
            .U16(AlgHmac).U16(AlgSha256).U16(0).ToArray())
        .U16(0).U32(0).Build();

    /// <summary>
    /// An object below <paramref name="parent"/> that keeps data, and gives it to whoever has the password.
    /// </summary>
    public static byte[] CreateSealed(uint parent, ReadOnlySpan<byte> password, ReadOnlySpan<byte> data) =>
        new TpmCommandBuilder(TpmCc.Create).Handle(parent).Password()
        .Sized(new ByteWriter().Sized(password).Sized(data).ToArray())
        .Sized(new ByteWriter().U16(AlgKeyedHash).U16(AlgSha256).U32(SealedAttributes).U16(0)
            .U16(AlgNull).U16(0).ToArray())
        .U16(0).U32(0).Build();

    public static byte[] Unseal(uint sealedObject, ReadOnlySpan<byte> password) =>
        new TpmCommandBuilder(UnsealCode).Handle(sealedObject).Password(password).Build();

    public static byte[] StirRandom(ReadOnlySpan<byte> data) =>
        new TpmCommandBuilder((TpmCc)0x146).Sized(data).Build();

    /// <summary>Loads what Create answered.</summary>
    public static byte[] Load(uint parent, ReadOnlySpan<byte> createResponse)
    {
        TpmResponse.TryReadParameters(createResponse, hasHandle: false, out ReadOnlySpan<byte> created);
        var reader = new TpmReader(created);
        Assert.True(reader.TryReadSized(out _) && reader.TryReadSized(out _));
        return new TpmCommandBuilder(TpmCc.Load).Handle(parent).Password().Bytes(created[..reader.Position]).Build();
    }

    public static byte[] Hmac(uint key, ReadOnlySpan<byte> data) =>
        new TpmCommandBuilder(HmacCode).Handle(key).Password().Sized(data).U16(AlgNull).Build();

    public static byte[] ReadPublic(uint handle) => new TpmCommandBuilder(TpmCc.ReadPublic).Handle(handle).Build();

    public static byte[] FlushContext(uint handle) => new TpmCommandBuilder(TpmCc.FlushContext).U32(handle).Build();

    public static byte[] ContextSave(uint handle) => new TpmCommandBuilder(TpmCc.ContextSave).Handle(handle).Build();

    /// <summary>Loads what ContextSave answered.</summary>
    public static byte[] ContextLoad(ReadOnlySpan<byte> saveResponse) =>
        new TpmCommandBuilder(TpmCc.ContextLoad).Bytes(saveResponse[TpmHeader.Length..]).Build();

    /// <summary>A policy session, or an HMAC session, that is neither salted nor bound.</summary>
    public static byte[] StartAuthSession(bool policy) => new TpmCommandBuilder(TpmCc.StartAuthSession)
        .Handle(Null).Handle(Null).Sized(new byte[16]).U16(0).U8((byte)(policy ? 1 : 0)).U16(AlgNull).U16(AlgSha256)
        .Build();

    public static byte[] PolicyGetDigest(uint session) =>
        new TpmCommandBuilder(PolicyGetDigestCode).Handle(session).Build();

    /// <summary>
    /// Binds a policy to a cpHash, here any 32 bytes: a way to give each session a digest of its own.
    /// </summary>
    public static byte[] PolicyCpHash(uint session, ReadOnlySpan<byte> cpHash) =>
        new TpmCommandBuilder(PolicyCpHashCode).Handle(session).Sized(cpHash).Build();

    /// <summary>The digest of a policy after that and nothing else.</summary>
    public static byte[] PolicyCpHashDigest(ReadOnlySpan<byte> cpHash) =>
        SHA256.HashData(new ByteWriter().Bytes(new byte[32]).U32((uint)PolicyCpHashCode).Bytes(cpHash).ToArray());

    /// <summary>Makes a transient object persistent.</summary>
    public static byte[] EvictControl(uint handle, uint persistent) =>
        new TpmCommandBuilder(TpmCc.EvictControl).Handle(Owner).Handle(handle).Password().U32(persistent).Build();

    public static byte[] HashSequenceStart() => new TpmCommandBuilder((TpmCc)0x186).U16(0).U16(AlgSha256).Build();

    public static byte[] SequenceUpdate(uint sequence, ReadOnlySpan<byte> data) =>
        new TpmCommandBuilder((TpmCc)0x15C).Handle(sequence).Password().Sized(data).Build();

    public static byte[] SequenceComplete(uint sequence, ReadOnlySpan<byte> data) =>
        new TpmCommandBuilder((TpmCc)0x13E).Handle(sequence).Password().Sized(data).U32(Null).Build();

    public static byte[] GetCapability(uint capability, uint property, uint count) =>
        new TpmCommandBuilder(TpmCc.GetCapability).U32(capability).U32(property).U32(count).Build();

    /// <summary>TPM_CAP_HANDLES: all handles from <paramref name="first"/> on that have its type.</summary>
    public static byte[] ListHandles(uint first) => GetCapability(1, first, 254);

    /// <summary>The size of the whole, as a header says it.</summary>
    public static int StatedSize(byte[] message) => BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(2));

    /// <summary>The response code.</summary>
    public static uint Code(this byte[] response) => BinaryPrimitives.ReadUInt32BigEndian(response.AsSpan(6));

    /// <summary>The handle in the handle area of a response that must have succeeded.</summary>
    public static uint NewHandle(this byte[] response) =>
        BinaryPrimitives.ReadUInt32BigEndian(response.Succeeded().AsSpan(TpmHeader.Length));

    /// <summary>Fails with the response code unless it is TPM_RC_SUCCESS.</summary>
    public static byte[] Succeeded(this byte[] response)
    {
        Assert.True(response.Code() == 0, $"TPM response code 0x{response.Code():X}");
        return response;
    }

    /// <summary>The first TPM2B among the parameters of a response that must have succeeded.</summary>
    public static byte[] FirstSized(this byte[] response)
    {
        Assert.True(
            TpmResponse.TryReadParameters(response.Succeeded(), hasHandle: false, out ReadOnlySpan<byte> parameters));
        Assert.True(new TpmReader(parameters).TryReadSized(out ReadOnlySpan<byte> value));
        return value.ToArray();
    }

    /// <summary>The value of the one property that TPM_CAP_TPM_PROPERTIES answered.</summary>
    public static uint Property(this byte[] response) =>
        BinaryPrimitives.ReadUInt32BigEndian(response.Succeeded().AsSpan(23));

    /// <summary>Returns the answer of TPM_CAP_HANDLES.</summary>
    public static IReadOnlyList<uint> HandleList(this byte[] response)
    {
        response.Succeeded();
        uint[] handles = new uint[BinaryPrimitives.ReadUInt32BigEndian(response.AsSpan(15))];
        for (int i = 0; i < handles.Length; i++)
        {
            handles[i] = BinaryPrimitives.ReadUInt32BigEndian(response.AsSpan(19 + (4 * i)));
        }

        return handles;
    }
}
