namespace TpmFs.Rm;

/// <summary>Who gets the answers of one <see cref="Space"/>. Called by the manager's thread, which it must not hold up.</summary>
public interface ISpaceClient
{
    /// <summary>The command that was submitted is answered. The bytes are the client's to copy; they do not outlive the call.</summary>
    void Completed(ReadOnlySpan<byte> response);

    /// <summary>The command that was submitted has no response.</summary>
    void Failed(SpaceFailure failure);
}

/// <summary>Why a command got no response.</summary>
public enum SpaceFailure
{
    /// <summary>The TPM, or the way to it, was lost while the command ran, or did not come back in time.</summary>
    TransportLost,

    /// <summary>The TPM did not answer within the command's time limit.</summary>
    TimedOut,

    /// <summary>The manager is stopping.</summary>
    Stopping,
}
