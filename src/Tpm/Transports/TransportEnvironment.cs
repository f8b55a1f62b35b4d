namespace TpmFs.Tpm.Transports;

/// <summary>The daemon's circumstances that a transport needs to know.</summary>
public sealed record TransportEnvironment
{
    /// <summary>A directory for state that outlives the daemon.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>The TPM's number in the daemon, from 0.</summary>
    public int Number { get; init; }

    /// <summary>
    /// Gets the mount point of the daemon's tree; null where it mounts none. No node below it can be the daemon's TPM.
    /// </summary>
    public string? OwnTree { get; init; }
}
