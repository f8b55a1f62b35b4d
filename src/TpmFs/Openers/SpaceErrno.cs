using TpmFs.Fuse;
using TpmFs.Rm;

namespace TpmFs.Openers;

/// <summary>Where errno and the TPM's ways to fail meet. A response, whatever its code, is never an errno.</summary>
internal static class SpaceErrno
{
    /// <summary>What the next read gives for a command without a response.</summary>
    public static Errno Of(SpaceFailure failure) => failure switch
    {
        // As Linux does (drivers/char/tpm/tpm-interface.c, tpm_try_transmit).
        SpaceFailure.TimedOut => Errno.ETIME,
        _ => Errno.EIO,
    };

    /// <summary>The domain has as many openers as it may.</summary>
    public static Errno TooManyOpeners => Errno.ENFILE;

    /// <summary>The opener, or the node that it was opened on, is gone.</summary>
    public static Errno Gone => Errno.ENODEV;
}
