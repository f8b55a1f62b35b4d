namespace TpmFs.Rm;

/// <summary>Sets how the manager treats its TPM.</summary>
public sealed record ResourceManagerOptions
{
    /// <summary>
    /// The time without a command after which the manager saves everything that it holds in the TPM, and gives the
    /// slots back.
    /// </summary>
    public TimeSpan IdleRelease { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Gets the number of slots for transient objects that the manager leaves free for the TPM's other users. It uses
    /// them only when a single command needs them.
    /// </summary>
    public int ReserveObjects { get; init; }

    /// <summary>
    /// Gets the number of slots for loaded sessions that the manager leaves free for the TPM's other users. It uses
    /// them only when a single command needs them.
    /// </summary>
    public int ReserveSessions { get; init; }

    /// <summary>
    /// The most transient objects of all openers together. Their contexts take some 1.5 KiB of the manager's memory
    /// each. A domain may hold half of them, and one user of it a third. Root has a reserve of a sixteenth.
    /// </summary>
    public int ObjectsInAll { get; init; } = 65_536;

    /// <summary>
    /// True when this manager is the TPM's only user. It then flushes what the TPM holds at the start, which is left
    /// over.
    /// </summary>
    public bool FlushAtStart { get; init; }

    /// <summary>
    /// Gets the time for which the manager waits at its end for a command that cannot be cancelled, before it leaves
    /// the TPM as it is.
    /// </summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The longest that the TPM may take over one command. It can only shorten the limits that Linux has: 120 s for a
    /// command, and 300 s for one that makes a key.
    /// </summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Gets the time for which commands wait for a lost TPM to come back before they fail.</summary>
    public TimeSpan ReconnectPatience { get; init; } = TimeSpan.FromSeconds(10);
}
