namespace TpmFs.Rm;

/// <summary>How the manager treats its TPM.</summary>
public sealed record ResourceManagerOptions
{
    /// <summary>
    /// After this long without a command everything held in the TPM is saved and its slots are given back.
    /// </summary>
    public TimeSpan IdleRelease { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Transient object slots left free for the TPM's other users; gives way to what a single command needs.
    /// </summary>
    public int ReserveObjects { get; init; }

    /// <summary>
    /// Loaded session slots left free for the TPM's other users; gives way to what a single command needs.
    /// </summary>
    public int ReserveSessions { get; init; }

    /// <summary>
    /// The most transient objects of all openers together: their contexts are the manager's memory, some 1.5 KiB each.
    /// One user of a domain may hold half of them, a second one half of the rest, and so on.
    /// </summary>
    public int ObjectsInAll { get; init; } = 65_536;

    /// <summary>
    /// Whether the TPM is this manager's alone, so that what it holds at the start is left over and is flushed.
    /// </summary>
    public bool FlushAtStart { get; init; }

    /// <summary>
    /// How long the manager's end waits for a command that runs and cannot be cancelled, before it leaves the TPM as it
    /// is.
    /// </summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The longest that the TPM may take over one command. It shortens what Linux gives a command (120 s, and 300 s to
    /// one that makes a key).
    /// </summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>How long commands wait for a lost TPM to come back before they fail.</summary>
    public TimeSpan ReconnectPatience { get; init; } = TimeSpan.FromSeconds(10);
}
