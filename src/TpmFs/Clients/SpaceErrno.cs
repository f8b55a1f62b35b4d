using TpmFs.Rm;

namespace TpmFs.Clients;

/// <summary>Turns failures of a handle space into an errno. A response, whatever its code, never becomes one.</summary>
internal static class SpaceErrno
{
    /// <summary>Returns what the next read gives for a command without a response.</summary>
    public static Errno Of(SpaceFailure failure) => failure switch
    {
        // As Linux does (drivers/char/tpm/tpm-interface.c, tpm_try_transmit).
        SpaceFailure.TimedOut => Errno.ETIME,
        _ => Errno.EIO,
    };

    /// <summary>Gets what a client is refused with when the domain has as many openers as it may.</summary>
    public static Errno TooManyOpeners => Errno.ENFILE;

    /// <summary>Gets what stands for a conversation, or a node, that is gone.</summary>
    public static Errno Gone => Errno.ENODEV;
}
