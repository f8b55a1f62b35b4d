namespace TpmFs.Tpm;

/// <summary>
/// TPM_RC, the third field of a response (TPM 2.0 Part 2, 6.6), with the layer that made it in bits 16 to 23 (TSS 2.0
/// Overview and Common Structures, 2.4: a code without one is the TPM's own).
/// </summary>
public readonly record struct TpmRc(uint Value)
{
    private const uint LayerMask = 0x00FF_0000;
    private const uint ResourceManagerLayer = 11 << 16;
    private const uint FormatOne = 0x080;
    private const uint ParameterBit = 0x040;
    private const uint SessionBit = 0x800;
    private const int NumberShift = 8;

    public static TpmRc Success => new(0);

    /// <summary>The tag is unknown: the one code in TPM 1.2's format that a TPM 2.0 gives.</summary>
    public static TpmRc BadTag => new(0x01E);

    // Format zero (Part 2, 6.6.3, RC_VER1).
    public static TpmRc Initialize => new(0x100);
    public static TpmRc Failure => new(0x101);
    public static TpmRc Sequence => new(0x103);
    public static TpmRc Private => new(0x10B);
    public static TpmRc Hmac => new(0x119);
    public static TpmRc Disabled => new(0x120);
    public static TpmRc Exclusive => new(0x121);
    public static TpmRc AuthType => new(0x124);
    public static TpmRc AuthMissing => new(0x125);
    public static TpmRc Policy => new(0x126);
    public static TpmRc Pcr => new(0x127);
    public static TpmRc PcrChanged => new(0x128);
    public static TpmRc Upgrade => new(0x12D);
    public static TpmRc TooManyContexts => new(0x12E);
    public static TpmRc AuthUnavailable => new(0x12F);
    public static TpmRc Reboot => new(0x130);
    public static TpmRc Unbalanced => new(0x131);
    public static TpmRc CommandSize => new(0x142);
    public static TpmRc CommandCode => new(0x143);
    public static TpmRc AuthSize => new(0x144);
    public static TpmRc AuthContext => new(0x145);
    public static TpmRc NvRange => new(0x146);
    public static TpmRc NvSize => new(0x147);
    public static TpmRc NvLocked => new(0x148);
    public static TpmRc NvAuthorization => new(0x149);
    public static TpmRc NvUninitialized => new(0x14A);
    public static TpmRc NvSpace => new(0x14B);
    public static TpmRc NvDefined => new(0x14C);
    public static TpmRc BadContext => new(0x150);
    public static TpmRc CpHash => new(0x151);
    public static TpmRc Parent => new(0x152);
    public static TpmRc NeedsTest => new(0x153);
    public static TpmRc NoResult => new(0x154);
    public static TpmRc Sensitive => new(0x155);
    public static TpmRc ReadOnly => new(0x156);

    // Format one (RC_FMT1): these may name a handle, a parameter or a session.
    public static TpmRc Asymmetric => new(0x081);
    public static TpmRc Attributes => new(0x082);
    public static TpmRc Hash => new(0x083);
    public static TpmRc ValueError => new(0x084);
    public static TpmRc Hierarchy => new(0x085);
    public static TpmRc KeySize => new(0x087);
    public static TpmRc Mgf => new(0x088);
    public static TpmRc Mode => new(0x089);
    public static TpmRc Type => new(0x08A);
    public static TpmRc HandleError => new(0x08B);
    public static TpmRc Kdf => new(0x08C);
    public static TpmRc Range => new(0x08D);
    public static TpmRc AuthFail => new(0x08E);
    public static TpmRc Nonce => new(0x08F);
    public static TpmRc Pp => new(0x090);
    public static TpmRc Scheme => new(0x092);
    public static TpmRc Size => new(0x095);
    public static TpmRc Symmetric => new(0x096);
    public static TpmRc Tag => new(0x097);
    public static TpmRc Selector => new(0x098);
    public static TpmRc Insufficient => new(0x09A);
    public static TpmRc Signature => new(0x09B);
    public static TpmRc Key => new(0x09C);
    public static TpmRc PolicyFail => new(0x09D);
    public static TpmRc Integrity => new(0x09F);
    public static TpmRc Ticket => new(0x0A0);
    public static TpmRc ReservedBits => new(0x0A1);
    public static TpmRc BadAuth => new(0x0A2);
    public static TpmRc Expired => new(0x0A3);
    public static TpmRc PolicyCc => new(0x0A4);
    public static TpmRc Binding => new(0x0A5);
    public static TpmRc Curve => new(0x0A6);
    public static TpmRc EccPoint => new(0x0A7);
    public static TpmRc FwLimited => new(0x0A8);
    public static TpmRc SvnLimited => new(0x0A9);

    // Warnings (RC_WARN).
    public static TpmRc ContextGap => new(0x901);
    public static TpmRc ObjectMemory => new(0x902);
    public static TpmRc SessionMemory => new(0x903);
    public static TpmRc Memory => new(0x904);
    public static TpmRc SessionHandles => new(0x905);
    public static TpmRc ObjectHandles => new(0x906);
    public static TpmRc Locality => new(0x907);
    public static TpmRc Yielded => new(0x908);
    public static TpmRc Canceled => new(0x909);
    public static TpmRc Testing => new(0x90A);
    public static TpmRc NvRate => new(0x920);
    public static TpmRc Lockout => new(0x921);
    public static TpmRc Retry => new(0x922);
    public static TpmRc NvUnavailable => new(0x923);
    public static TpmRc NotUsed => new(0x97F);

    public bool IsSuccess => Value == 0;

    /// <summary>
    /// The layer that made the code, as the TSS numbers layers: 0 is the TPM, 11 the resource manager.
    /// </summary>
    public int Layer => (int)(Value & LayerMask) >> 16;

    public TpmRc WithoutLayer => new(Value & ~LayerMask);

    /// <summary>
    /// True when the code is of format one (RC_FMT1), and so may name a handle, a parameter or a session.
    /// </summary>
    public bool IsFormatOne => (Value & FormatOne) != 0;

    /// <summary>
    /// True when the code is a warning (RC_WARN, bits 7 to 11): the command may succeed later, or after something has
    /// been done.
    /// </summary>
    public bool IsWarning => (Value & 0xF80) == 0x900;

    /// <summary>
    /// A format-one code without the handle, parameter or session that it names; any other code unchanged. The layer
    /// stays.
    /// </summary>
    public TpmRc Base => IsFormatOne ? new(Value & ~(SessionBit | ParameterBit | (7u << NumberShift))) : this;

    /// <summary>Gets the same code with the resource manager's layer.</summary>
    public TpmRc FromResourceManager => new((Value & ~LayerMask) | ResourceManagerLayer);

    /// <summary>
    /// Returns the format-one code for the handle at <paramref name="index"/>, 0 to 6: TPM_RC_H and its number, which
    /// begins at 1.
    /// </summary>
    public TpmRc ForHandle(int index) => WithNumber(0, index, last: 6);

    /// <summary>
    /// Returns the format-one code for the parameter at <paramref name="index"/>, 0 to 14: TPM_RC_P and its number,
    /// which begins at 1.
    /// </summary>
    public TpmRc ForParameter(int index) => WithNumber(ParameterBit, index, last: 14);

    /// <summary>
    /// Returns the format-one code for the session at <paramref name="index"/>, 0 to 6: TPM_RC_S and its number, which
    /// begins at 1.
    /// </summary>
    public TpmRc ForSession(int index) => WithNumber(SessionBit, index, last: 6);

    /// <summary>
    /// Returns TPM_RC_REFERENCE_H0 to H6: the handle at <paramref name="index"/> of the handle area is not loaded.
    /// </summary>
    public static TpmRc ReferenceHandle(int index) => new(0x910 + InRange(index, 6));

    /// <summary>
    /// Returns TPM_RC_REFERENCE_S0 to S6: the session at <paramref name="index"/> of the authorization area is not
    /// loaded.
    /// </summary>
    public static TpmRc ReferenceSession(int index) => new(0x918 + InRange(index, 6));

    /// <summary>Returns the specification's name, such as "TPM_RC_HANDLE (parameter 1)", for a person.</summary>
    public override string ToString() => TpmRcNames.Describe(this);

    private TpmRc WithNumber(uint kind, int index, int last)
    {
        System.Diagnostics.Debug.Assert(Base == this && IsFormatOne, "only a bare format-one code takes a number");
        return new(Value | kind | ((InRange(index, last) + 1) << NumberShift));
    }

    private static uint InRange(int index, int last)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, last);
        return (uint)index;
    }
}
