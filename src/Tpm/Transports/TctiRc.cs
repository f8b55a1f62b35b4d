namespace TpmFs.Tpm.Transports;

/// <summary>
/// TSS2_RC, the result of a TCTI's functions (tss2/tss2_common.h): a layer in bits 16 to 23, and below it a code that
/// all layers share.
/// </summary>
internal static class TctiRc
{
    public const uint Success = 0;
    public const uint NotImplemented = Layer | 2;
    public const uint InsufficientBuffer = Layer | 6;
    public const uint NoConnection = Layer | 8;
    public const uint TryAgain = Layer | 9;

    private const uint Layer = 10 << 16;

    private static readonly string[] s_meanings =
    [
        "no error", "a general failure", "not implemented", "a bad context",
        "another version of the interface", "a bad reference", "the buffer is too small", "the wrong order of calls",
        "no connection", "it did not answer in time", "an input/output error", "a bad value",
        "not permitted", "bad sessions", "no parameter to decrypt", "no parameter to encrypt",
        "a bad size", "a malformed response", "the context is too small", "the response is too short",
        "an unusable TCTI", "not supported", "a bad TCTI structure", "out of memory",
    ];

    /// <summary>Returns a code's meaning, for a person.</summary>
    public static string Describe(uint code)
    {
        uint meaning = code & 0xFFFF;
        return code >> 16 == Layer >> 16 && meaning < s_meanings.Length
            ? $"{s_meanings[meaning]} (0x{code:X})"
            : $"TSS2_RC 0x{code:X}";
    }
}
