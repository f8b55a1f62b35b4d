namespace TpmFs.Tpm;

/// <summary>TPM_RC, a response code (TPM 2.0 Part 2, 6.6), with the TSS layer that made it in bits 16 to 23.</summary>
public readonly record struct TpmRc(uint Value)
{
    private const uint ResourceManagerLayer = 11u << 16;

    public static TpmRc Success => new(0);

    // Format zero (RC_VER1).
    public static TpmRc Initialize => new(0x100);
    public static TpmRc CommandSize => new(0x142);
    public static TpmRc CommandCode => new(0x143);
    public static TpmRc AuthContext => new(0x145);

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
    public static TpmRc Retry => new(0x922);

    // Format one (RC_FMT1), without the number of a handle, parameter or session.
    public static TpmRc ValueError => new(0x084);
    public static TpmRc HandleError => new(0x08B);
    public static TpmRc Size => new(0x095);
    public static TpmRc Tag => new(0x097);
    public static TpmRc Insufficient => new(0x09A);
    public static TpmRc Integrity => new(0x09F);

    public bool IsSuccess => Value == 0;

    /// <summary>The code as the TPM gave it, without the layer.</summary>
    public TpmRc WithoutLayer => new(Value & 0xFFFF);

    /// <summary>The same code, marked as made by a resource manager.</summary>
    public TpmRc FromResourceManager => new(Value | ResourceManagerLayer);

    /// <summary>TPM_RC_REFERENCE_Hn: the <paramref name="index"/>th handle (from 0) references what is not loaded.</summary>
    public static TpmRc ReferenceHandle(int index) => new(0x910 + (uint)index);

    /// <summary>TPM_RC_REFERENCE_Sn: the <paramref name="index"/>th session (from 0) is not loaded.</summary>
    public static TpmRc ReferenceSession(int index) => new(0x918 + (uint)index);

    /// <summary>A format-one code for the <paramref name="index"/>th handle (from 0).</summary>
    public TpmRc ForHandle(int index) => new(Value | ((uint)(index + 1) << 8));

    /// <summary>A format-one code for the <paramref name="index"/>th parameter (from 0).</summary>
    public TpmRc ForParameter(int index) => new(Value | 0x40 | ((uint)(index + 1) << 8));

    /// <summary>A format-one code for the <paramref name="index"/>th session (from 0).</summary>
    public TpmRc ForSession(int index) => new(Value | 0x800 | ((uint)(index + 1) << 8));
}
