namespace TpmFs.Doors.DBus;

/// <summary>Response codes that a TPM has no part in: TSS2_RESMGR_RC_* of tss2_common.h.</summary>
internal static class TssCode
{
    public const uint Success = 0;

    /// <summary>There is no command to cancel.</summary>
    public const uint BadSequence = Layer | 7;

    /// <summary>There is no answer: the TPM, or the way to it, was lost.</summary>
    public const uint IoError = Layer | 10;

    private const uint Layer = 11 << 16;
}
