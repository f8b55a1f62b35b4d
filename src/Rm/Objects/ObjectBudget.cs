using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Objects;

/// <summary>
/// Bounds the transient objects of all openers together, whose contexts the manager keeps in memory. A domain may hold
/// no more objects than are free, and a user of the domain no more than the domain may still take. So a domain has at
/// most half, however many users it has, each further domain half of what is left, and one user a third. Root has a
/// reserve besides.
/// </summary>
/// <param name="held">Counts the objects of all spaces.</param>
/// <param name="whole">The most objects in all.</param>
internal sealed class ObjectBudget(ObjectCounts held, int whole)
{
    private const uint Root = 0;

    /// <summary>Root's reserve is one object of as many.</summary>
    private const int ReserveShare = 16;

    /// <summary>Returns true when the space's limit and what is left for its user allow one more object.</summary>
    public bool HasRoomFor(SpaceRecord space) =>
        space.Objects.Count < space.Owner.Group.Limits.ObjectsMax && HasRoomFor(space.Owner);

    private bool HasRoomFor(SpaceOwner owner)
    {
        if (owner.Payer == Root)
        {
            return held.Total < whole;
        }

        int free = whole - (whole / ReserveShare) - held.Total;
        return held.Of(DomainUser.Of(owner)) < free - held.Of(owner.Group);
    }
}
