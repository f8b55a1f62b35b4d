namespace TpmFs.Rm.Scheduling;

/// <summary>A domain's commands that wait for their turn, and its place among the domains. The scheduler's.</summary>
internal sealed class GroupShare : FairShare
{
    public FairQueue<PendingCommand> Commands { get; } = new();

    public bool IsListed { get; set; }

    public bool IsInService { get; set; }
}
