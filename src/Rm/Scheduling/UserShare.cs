namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the commands of one user's openers within a domain that wait for their turn, and the user's place among the
/// domain's users. Only the scheduler uses it.
/// </summary>
internal sealed class UserShare : FairShare
{
    public FairQueue<PendingCommand> Commands { get; } = new();

    /// <summary>True while the user is in the queue of the domain's users.</summary>
    public bool IsListed { get; set; }

    /// <summary>True while a command of the user runs.</summary>
    public bool IsInService { get; set; }
}
