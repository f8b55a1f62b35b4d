namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the domains of one owner whose commands wait for their turn, and the owner's place among the owners. A domain
/// without an owner has one for itself.
/// </summary>
internal sealed class OwnerShare : ListedShare
{
    /// <summary>The domains that have a command which waits, in the order of their turns.</summary>
    public FairQueue<GroupShare> Groups { get; } = new();

    public override bool HasWaiting => Groups.Count > 0;
}
