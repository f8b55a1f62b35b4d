namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the place of one who may have several commands: a domain, or a user of a domain. Only the scheduler uses it.
/// </summary>
internal abstract class ListedShare : FairShare
{
    /// <summary>True while the share is in the queue of those that it shares with.</summary>
    public bool IsListed { get; set; }

    /// <summary>True while a command of the share runs.</summary>
    public bool IsInService { get; set; }

    /// <summary>True when a command of the share waits for its turn.</summary>
    public abstract bool HasWaiting { get; }
}
