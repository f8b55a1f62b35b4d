namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds a domain's commands that wait for their turn, and the domain's place among the domains. Only the scheduler
/// uses it.
/// </summary>
internal sealed class GroupShare : FairShare
{
    public FairQueue<PendingCommand> Commands { get; } = new();

    public bool IsListed { get; set; }

    public bool IsInService { get; set; }
}
