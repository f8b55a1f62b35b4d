namespace TpmFs.Rm;

/// <summary>Says why a command got no response.</summary>
public enum SpaceFailure
{
    /// <summary>The TPM, or the way to it, was lost while the command ran, or did not come back in time.</summary>
    TransportLost,

    /// <summary>The TPM did not answer within the command's time limit.</summary>
    TimedOut,

    /// <summary>The manager is stopping.</summary>
    Stopping,

    /// <summary>The manager could not carry the command out: a bug, which is logged.</summary>
    Fault,
}
