using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Objects;

/// <summary>
/// Bounds the transient objects of all openers together, whose contexts the manager keeps in memory. Users and domains
/// have shares of them (<see cref="DomainShares{TDomain}"/>), and root has a reserve.
/// </summary>
/// <param name="held">Counts the objects of all spaces.</param>
/// <param name="whole">The most objects in all.</param>
internal sealed class ObjectBudget(DomainShares<SchedulingGroup> held, int whole)
{
    /// <summary>Root's reserve is one object of as many.</summary>
    private const int ReserveShare = 16;

    /// <summary>Returns true when the space's limit and what is left for its user allow one more object.</summary>
    public bool HasRoomFor(SpaceRecord space) =>
        space.Objects.Count < space.Owner.Group.Limits.ObjectsMax && HasRoomFor(space.Owner);

    private bool HasRoomFor(SpaceOwner owner) =>
        held.AllowBeside(whole / ReserveShare, owner.Group, owner.Payer, free: whole - held.Total);
}
