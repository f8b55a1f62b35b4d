using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Objects;

/// <summary>
/// Bounds the transient objects of all openers together, whose contexts the manager keeps in memory. A user of a domain
/// may make one more object while the user holds fewer than are free. So one user alone gets half, and a newcomer
/// always finds room.
/// </summary>
/// <param name="held">Counts the objects of all spaces.</param>
/// <param name="whole">The most objects in all.</param>
internal sealed class ObjectBudget(ObjectCounts held, int whole)
{
    /// <summary>Returns true when the space's limit and what is left for its user allow one more object.</summary>
    public bool HasRoomFor(SpaceRecord space) =>
        space.Objects.Count < space.Owner.Group.Limits.ObjectsMax
        && held.Of(DomainUser.Of(space.Owner)) < whole - held.Total;
}
