using System.Security.Cryptography;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Commands that only the tests of the tree send.</summary>
internal static class TreeCommands
{
    /// <summary>TPM_RC_LOCKOUT.</summary>
    public const uint Lockout = 0x921;

    /// <summary>TPM_RC_AUTH_FAIL for the first session.</summary>
    public const uint AuthFail = 0x98E;

    private const uint LockoutHierarchy = 0x4000_000A;
    private const uint Platform = 0x4000_000C;
    private const int AlgHmac = 0x05, AlgKeyedHash = 0x08, AlgSha256 = 0x0B, AlgNull = 0x10;
    private const uint ProtectedKeyAttributes = 0x0004_0060; // sensitiveDataOrigin, userWithAuth, sign; without noDA
    // sensitiveDataOrigin, noDA, sign; without userWithAuth only a policy opens it
    private const uint PolicyKeyAttributes = 0x0004_0420;

    public static byte[] Startup() => new TpmCommandBuilder(TpmCc.Startup).U16(0).Build();

    public static byte[] Shutdown() => new TpmCommandBuilder(TpmCc.Shutdown).U16(0).Build();

    public static byte[] Clear() => new TpmCommandBuilder(TpmCc.Clear).Handle(LockoutHierarchy).Password().Build();

    /// <summary>Switches a hierarchy off by its own authorization.</summary>
    public static byte[] SwitchOff(uint hierarchy) => new TpmCommandBuilder(TpmCc.HierarchyControl)
        .Handle(hierarchy).Password().U32(hierarchy).U8(0).Build();

    /// <summary>Switches a hierarchy on by the platform's authorization.</summary>
    public static byte[] SwitchOn(uint hierarchy) => new TpmCommandBuilder(TpmCc.HierarchyControl)
        .Handle(Platform).Password().U32(hierarchy).U8(1).Build();

    /// <summary>Sets the first timer that resets the machine (TPM_RH_ACT_0) to an hour.</summary>
    public static byte[] SetTimer() => new TpmCommandBuilder(TpmCc.ActSetTimeout)
        .Handle(0x4000_0110).Password().U32(3600).Build();

    public static byte[] HierarchyChangeAuth(ReadOnlySpan<byte> newAuthorization) =>
        new TpmCommandBuilder(TpmCc.HierarchyChangeAuth).Handle(Tpm2.Owner).Password().Sized(newAuthorization).Build();

    public static byte[] PcrExtend(uint pcr, ReadOnlySpan<byte> digest) =>
        new TpmCommandBuilder(TpmCc.PcrExtend).Handle(pcr).Password().U32(1).U16(AlgSha256).Bytes(digest).Build();

    public static byte[] PolicyLocality(uint session, byte localities) =>
        new TpmCommandBuilder(TpmCc.PolicyLocality).Handle(session).U8(localities).Build();

    /// <summary>The digest of a policy that is PolicyLocality alone.</summary>
    public static byte[] PolicyLocalityDigest(byte localities) =>
        SHA256.HashData(new ByteWriter().Bytes(new byte[32]).U32((uint)TpmCc.PolicyLocality).U8(localities).ToArray());

    /// <summary>An HMAC key that only a policy can use.</summary>
    public static byte[] CreatePolicyKey(ReadOnlySpan<byte> policy) => CreateHmacKey([], PolicyKeyAttributes, policy);

    /// <summary>An HMAC key whose password is protected against dictionary attacks.</summary>
    public static byte[] CreateKeyWithPassword(ReadOnlySpan<byte> password) =>
        CreateHmacKey(password, ProtectedKeyAttributes, []);

    public static byte[] Hmac(uint key, ReadOnlySpan<byte> password) =>
        new TpmCommandBuilder(TpmCc.Hmac).Handle(key).Password(password).Sized([1]).U16(AlgNull).Build();

    public static byte[] DictionaryAttackLockReset() =>
        new TpmCommandBuilder(TpmCc.DictionaryAttackLockReset).Handle(LockoutHierarchy).Password().Build();

    /// <summary>Asks the TPM for the lockout hierarchy's authorization, for a policy.</summary>
    public static byte[] PolicySecretOfLockout(uint policySession, ReadOnlySpan<byte> password) =>
        new TpmCommandBuilder(TpmCc.PolicySecret).Handle(LockoutHierarchy).Handle(policySession).Password(password)
            .Sized([]).Sized([]).Sized([]).U32(0).Build();

    /// <summary>Starts an HMAC session that is bound to the lockout hierarchy.</summary>
    public static byte[] SessionBoundToLockout() => new TpmCommandBuilder(TpmCc.StartAuthSession)
        .Handle((uint)TpmRh.Null).Handle(LockoutHierarchy).Sized(new byte[16]).Sized([]).U8(0).U16(AlgNull)
        .U16(AlgSha256).Build();

    public static byte[] HmacByPolicy(uint key, uint policySession) => new TpmCommandBuilder(TpmCc.Hmac)
        .Handle(key).Session(policySession, TpmAuthorization.ContinueSession).Sized([1]).U16(AlgNull).Build();

    /// <summary>
    /// TPMA_LOCALITY of the creation data that CreatePrimary answered (TPMS_CREATION_DATA, Part 2, 15.1).
    /// </summary>
    public static byte CreationLocality(byte[] response)
    {
        Assert.True(
            TpmResponse.TryReadParameters(response.Succeeded(), hasHandle: true, out ReadOnlySpan<byte> parameters));
        var reader = new TpmReader(parameters);
        reader.TryReadSized(out _);
        reader.TryReadSized(out ReadOnlySpan<byte> creation);
        var fields = new TpmReader(creation);
        fields.TryReadUInt32(out uint selections);
        Assert.Equal(0u, selections);
        fields.TryReadSized(out _);
        Assert.True(fields.TryReadByte(out byte locality));
        return locality;
    }

    private static byte[] CreateHmacKey(ReadOnlySpan<byte> password, uint attributes, ReadOnlySpan<byte> policy) =>
        new TpmCommandBuilder(TpmCc.CreatePrimary)
        .Handle(Tpm2.Owner).Password()
        .Sized(new ByteWriter().Sized(password).U16(0).ToArray())
        .Sized(new ByteWriter().U16(AlgKeyedHash).U16(AlgSha256).U32(attributes).Sized(policy)
            .U16(AlgHmac).U16(AlgSha256).U16(0).ToArray())
        .U16(0).U32(0).Build();
}
