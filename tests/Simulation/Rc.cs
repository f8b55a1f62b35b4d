namespace TpmFs.Simulation;

/// <summary>
/// The response codes that the simulation answers (TPM_RC, Part 2, 6.6.3), and how a format-one code names what it
/// blames.
/// </summary>
internal static class Rc
{
    public const uint Success = 0;

    public const uint Initialize = 0x100;
    public const uint Failure = 0x101;
    public const uint Sequence = 0x103;
    public const uint Disabled = 0x120;
    public const uint Exclusive = 0x121;
    public const uint AuthType = 0x124;
    public const uint AuthMissing = 0x125;
    public const uint PcrChanged = 0x128;
    public const uint TooManyContexts = 0x12E;
    public const uint AuthUnavailable = 0x12F;
    public const uint CommandSize = 0x142;
    public const uint CommandCode = 0x143;
    public const uint AuthContext = 0x145;
    public const uint NvDefined = 0x14C;

    public const uint Asymmetric = 0x081;
    public const uint Attributes = 0x082;
    public const uint Hash = 0x083;
    public const uint Value = 0x084;
    public const uint Hierarchy = 0x085;
    public const uint Mode = 0x089;
    public const uint Type = 0x08A;
    public const uint Handle = 0x08B;
    public const uint Range = 0x08D;
    public const uint AuthFail = 0x08E;
    public const uint Nonce = 0x08F;
    public const uint Scheme = 0x092;
    public const uint Size = 0x095;
    public const uint Symmetric = 0x096;
    public const uint Insufficient = 0x09A;
    public const uint Key = 0x09C;
    public const uint PolicyFail = 0x09D;
    public const uint Integrity = 0x09F;
    public const uint Ticket = 0x0A0;
    public const uint ReservedBits = 0x0A1;
    public const uint BadAuth = 0x0A2;
    public const uint PolicyCc = 0x0A4;
    public const uint Binding = 0x0A5;

    public const uint ContextGap = 0x901;
    public const uint ObjectMemory = 0x902;
    public const uint SessionMemory = 0x903;
    public const uint SessionHandles = 0x905;
    public const uint Locality = 0x907;
    public const uint Yielded = 0x908;
    public const uint Canceled = 0x909;
    public const uint Testing = 0x90A;
    public const uint ReferenceH0 = 0x910;
    public const uint ReferenceS0 = 0x918;
    public const uint Lockout = 0x921;
    public const uint Retry = 0x922;

    /// <summary>Blames the n-th handle, counted from 1.</summary>
    public static uint H(this uint code, int n) => Blame(code, 0, n);

    /// <summary>Blames the n-th parameter, counted from 1.</summary>
    public static uint P(this uint code, int n) => Blame(code, 0x40, n);

    /// <summary>Blames the n-th session, counted from 1.</summary>
    public static uint S(this uint code, int n) => Blame(code, 0x800, n);

    /// <summary>Adds what is blamed to a format-one code; other codes have no room for it.</summary>
    public static uint Blame(uint code, uint area, int n) =>
        (code & 0x80) != 0 && code < 0x100 ? code + area + ((uint)n << 8) : code;
}
