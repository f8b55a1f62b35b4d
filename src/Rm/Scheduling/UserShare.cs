namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the commands of one user's openers within a domain that wait for their turn, and the user's place among the
/// domain's users.
/// </summary>
internal sealed class UserShare : ListedShare
{
    public FairQueue<PendingCommand> Commands { get; } = new();

    public override bool HasWaiting => Commands.Count > 0;
}
