using TpmFs.Tpm;

namespace TpmFs.Simulation;

/// <summary>Builds commands for tests, and takes responses apart.</summary>
internal static class Cmd
{
    public const uint GetRandomCode = 0x17B;
    public const uint SelfTestCode = 0x143;
    public const uint ReadClockCode = 0x181;
    public const uint ContextSaveCode = 0x162;
    public const uint ContextLoadCode = 0x161;
    public const uint FlushContextCode = 0x165;

    public static byte[] Build(
        uint code, ReadOnlySpan<uint> handles, ReadOnlySpan<byte> parameters, params ReadOnlySpan<Auth> sessions)
    {
        var command = new TpmCommandBuilder((TpmCc)code);
        foreach (uint handle in handles)
        {
            command.Handle(handle);
        }

        foreach (Auth session in sessions)
        {
            command.Session(session.Handle, session.Attributes, session.Nonce, session.Value);
        }

        return command.Bytes(parameters).Build();
    }

    public static byte[] Startup(bool state = false) => Build(0x144, [], P().U16(state ? 1 : 0).Written);

    public static byte[] Shutdown(bool state = false) => Build(0x145, [], P().U16(state ? 1 : 0).Written);

    public static byte[] SelfTest() => Build(SelfTestCode, [], P().U8(1).Written, []);

    public static byte[] GetRandom(int count, params ReadOnlySpan<Auth> sessions) =>
        Build(GetRandomCode, [], P().U16(count).Written, sessions);

    public static byte[] ReadClock() => Build(ReadClockCode, [], []);

    public static byte[] GetCapability(
        uint capability, uint property, uint count, params ReadOnlySpan<Auth> sessions) =>
        Build(0x17A, [], P().U32(capability).U32(property).U32(count).Written, sessions);

    public static byte[] CreatePrimary(uint hierarchy, byte[] template, string data = "", string auth = "") =>
        Build(0x131, [hierarchy], Creation(template, data, auth), Auth.Password());

    public static byte[] Create(uint parent, byte[] template, string data = "", string auth = "") =>
        Build(0x153, [parent], Creation(template, data, auth), Auth.Password());

    public static byte[] Load(uint parent, byte[] privatePart, byte[] publicPart) =>
        Build(0x157, [parent], P().Sized(privatePart).Sized(publicPart).Written, Auth.Password());

    public static byte[] LoadExternal(byte[] publicPart, uint hierarchy) =>
        Build(0x167, [], P().U16(0).Sized(publicPart).U32(hierarchy).Written);

    public static byte[] CreateLoaded(uint parent, byte[] template, string data = "") =>
        Build(
            0x191, [parent], P().Sized(P().Sized([]).Sized(Text(data)).Written).Sized(template).Written,
            Auth.Password());

    public static byte[] ReadPublic(uint handle) => Build(0x173, [handle], []);

    /// <summary>Signs the SHA-256 digest of a text.</summary>
    public static byte[] Sign(uint key, string text, params ReadOnlySpan<Auth> sessions) => Build(0x15D, [key],
        P().Sized(Hashes.Digest(Hashes.Sha256, Text(text))).U16(Hashes.None).U16(0x8024).U32(Handles.Null)
            .U16(0).Written,
        sessions.IsEmpty ? [Auth.Password()] : sessions);

    public static byte[] EvictControl(uint auth, uint handle, uint persistent) =>
        Build(0x120, [auth, handle], P().U32(persistent).Written, Auth.Password());

    public static byte[] HashSequenceStart(ushort hash) => Build(0x186, [], P().U16(0).U16(hash).Written);

    public static byte[] HmacStart(uint key) =>
        Build(0x15B, [key], P().U16(0).U16(Hashes.None).Written, Auth.Password());

    public static byte[] SequenceUpdate(uint sequence, string text) =>
        Build(0x15C, [sequence], P().Sized(Text(text)).Written, Auth.Password());

    public static byte[] SequenceComplete(uint sequence, string text, uint hierarchy = Handles.Null) =>
        Build(0x13E, [sequence], P().Sized(Text(text)).U32(hierarchy).Written, Auth.Password());

    public static byte[] EventSequenceComplete(uint pcr, uint sequence, string text) =>
        Build(0x185, [pcr, sequence], P().Sized(Text(text)).Written, Auth.Password(), Auth.Password());

    public static byte[] StartAuthSession(SessionType type, uint bind = Handles.Null) =>
        Build(0x176, [Handles.Null, bind],
        P().Sized(new byte[16]).U16(0).U8((byte)type).U16(Hashes.None).U16(Hashes.Sha256).Written);

    public static byte[] PolicyCommandCode(uint session, uint code) => Build(0x16C, [session], P().U32(code).Written);

    public static byte[] PolicyPcr(uint session, int pcr) =>
        Build(0x17F, [session], Selection(P().U16(0), pcr).Written);

    public static byte[] PolicyGetDigest(uint session) => Build(0x189, [session], []);

    public static byte[] PolicyRestart(uint session) => Build(0x180, [session], []);

    public static byte[] ContextSave(uint handle) => Build(ContextSaveCode, [handle], []);

    /// <summary>Loads what ContextSave answered.</summary>
    public static byte[] ContextLoad(ReadOnlySpan<byte> context) => Build(ContextLoadCode, [], context);

    public static byte[] FlushContext(uint handle) => Build(FlushContextCode, [], P().U32(handle).Written);

    public static byte[] PcrExtend(uint pcr, string text) =>
        Build(
            0x182, [pcr], P().U32(1).U16(Hashes.Sha256).Bytes(Hashes.Digest(Hashes.Sha256, Text(text))).Written,
            Auth.Password());

    public static byte[] PcrRead(int pcr) => Build(0x17E, [], Selection(P(), pcr).Written);

    public static byte[] Clear(uint auth = Handles.LockoutHandle) => Build(0x126, [auth], [], Auth.Password());

    public static byte[] ChangeEps() => Build(0x124, [Handles.Platform], [], Auth.Password());

    public static byte[] ChangePps() => Build(0x125, [Handles.Platform], [], Auth.Password());

    public static byte[] HierarchyControl(uint auth, uint hierarchy, bool enable) =>
        Build(0x121, [auth], P().U32(hierarchy).U8(enable ? (byte)1 : (byte)0).Written, Auth.Password());

    public static byte[] HierarchyChangeAuth(uint hierarchy, string now, string next) =>
        Build(0x129, [hierarchy], P().Sized(Text(next)).Written, Auth.Password(now));

    public static byte[] SetCommandCodeAuditStatus(params ReadOnlySpan<uint> set)
    {
        ByteWriter parameters = P().U16(Hashes.None).U32((uint)set.Length);
        foreach (uint code in set)
        {
            parameters.U32(code);
        }

        return Build(0x140, [Handles.Owner], parameters.U32(0).Written, Auth.Password());
    }

    public static byte[] GetCommandAuditDigest(uint key) =>
        Build(0x133, [Handles.Endorsement, key], P().U16(0).U16(Hashes.None).Written, Auth.Password(), Auth.Password());

    public static byte[] VendorCopy(uint handle) => Build(CommandTable.VendorCopyObject, [handle], []);

    private static ByteWriter P() => new();

    private static byte[] Text(string text) => System.Text.Encoding.UTF8.GetBytes(text);

    private static ReadOnlySpan<byte> Creation(byte[] template, string data, string auth) =>
        P().Sized(P().Sized(Text(auth)).Sized(Text(data)).Written).Sized(template).U16(0).U32(0).Written;

    private static ByteWriter Selection(ByteWriter writer, int pcr)
    {
        byte[] bitmap = new byte[3];
        bitmap[pcr / 8] = (byte)(1 << (pcr % 8));
        return writer.U32(1).U16(Hashes.Sha256).U8(3).Bytes(bitmap);
    }
}

/// <summary>A session of a command's authorization area.</summary>
internal readonly record struct Auth(uint Handle, byte Attributes = 1, byte[]? Value = null, byte[]? Nonce = null)
{
    public const byte Continue = 1;
    public const byte AuditExclusive = 2;
    public const byte AuditReset = 4;
    public const byte Audit = 0x80;

    public static Auth Password(string value = "") =>
        new(Handles.Password, Continue, System.Text.Encoding.UTF8.GetBytes(value));

    public static Auth AuditSession(uint handle, bool exclusive = false) =>
        new(handle, (byte)(Continue | Audit | (exclusive ? AuditExclusive : 0)));
}

/// <summary>Templates (TPMT_PUBLIC) that a real TPM takes too.</summary>
internal static class Templates
{
    private const uint Common = PublicArea.FixedTpm | PublicArea.FixedParent | PublicArea.SensitiveDataOrigin
        | PublicArea.UserWithAuth | PublicArea.NoDa;

    /// <summary>A storage key: ECC P-256, AES-128 CFB.</summary>
    public static byte[] Storage(uint more = 0) =>
        Ecc(Common | PublicArea.Restricted | PublicArea.Decrypt | more, symmetric: true, []);

    /// <summary>A signing key: ECC P-256, ECDSA with SHA-256.</summary>
    public static byte[] Signing(uint more = 0, byte[]? policy = null, uint less = 0) =>
        Ecc((Common | PublicArea.Sign | more) & ~less, symmetric: false, policy ?? []);

    /// <summary>An HMAC key with SHA-256.</summary>
    public static byte[] Hmac(uint more = 0) =>
        new ByteWriter().U16(PublicArea.KeyedHash).U16(Hashes.Sha256).U32(Common | PublicArea.Sign | more)
        .U16(0).U16(0x0005).U16(Hashes.Sha256).U16(0).ToArray();

    private static byte[] Ecc(uint attributes, bool symmetric, byte[] policy)
    {
        ByteWriter writer = new ByteWriter().U16(PublicArea.Ecc).U16(Hashes.Sha256).U32(attributes).Sized(policy);
        _ = symmetric
            ? writer.U16(0x0006).U16(128).U16(0x0043).U16(Hashes.None)
            : writer.U16(Hashes.None).U16(0x0018).U16(Hashes.Sha256);
        return writer.U16(0x0003).U16(Hashes.None).U16(0).U16(0).ToArray();
    }
}

/// <summary>A response, taken apart as far as tests ask.</summary>
internal readonly record struct Answer(byte[] Bytes)
{
    public uint Code => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(Bytes.AsSpan(6));

    public bool IsSuccess => Code == Rc.Success;

    /// <summary>The response's handle, where the command has one.</summary>
    public uint Handle => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(Bytes.AsSpan(10));

    /// <summary>Everything after the header.</summary>
    public byte[] Body => Bytes[10..];

    /// <summary>The n-th TPM2B from a place in the response.</summary>
    public byte[] Sized(int at, int n = 0)
    {
        for (; n > 0; n--)
        {
            at += 2 + System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(Bytes.AsSpan(at));
        }

        return Bytes.AsSpan(at + 2, System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(Bytes.AsSpan(at)))
            .ToArray();
    }
}
