namespace TpmFs.Tpm.Transports;

/// <summary>What a transport may use of the machine.</summary>
public sealed record TransportEnvironment
{
    /// <summary>Where state is kept that outlives the daemon; an embedded TPM without a directory of its own has it in "swtpm" there, but for the first with its number.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>The TPM's number in the daemon, from 0.</summary>
    public int Number { get; init; }

    /// <summary>Where the daemon shows its own nodes, none of which can be its TPM.</summary>
    public string? OwnTree { get; init; }

    /// <summary>A directory of the daemon alone (0700) for sockets that a transport has to make.</summary>
    public required string RuntimeDirectory { get; init; }
}
