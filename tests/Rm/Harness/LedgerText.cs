using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>Writes down all that a ledger holds, so that two ledgers can be compared.</summary>
internal static class LedgerText
{
    public static string Of(TpmLedger ledger) => string.Join(
        '\n',
        (IEnumerable<string>)[
            $"suspended {ledger.IsSuspended}",
            Of(ledger.Counts),
            $"slots {ledger.ObjectSlots.First} {ledger.ObjectSlots.Now} "
            + $"{ledger.SessionSlots.First} {ledger.SessionSlots.Now}",
            $"counter {ledger.Sessions.Counter}, exclusive {ledger.Sessions.Exclusive?.Handle}",
            $"doomed {string.Join(' ', ledger.Objects.Doomed)}",
            Of(ledger.Profile.State),
            .. ledger.Spaces.All.OrderBy(space => space.Id.Value).Select(Of),
            .. ledger.Sessions.All.OrderBy(session => session.Handle.Index).Select(Of),
            .. ledger.Sessions.Doomed.OrderBy(session => session.Handle.Index).Select(Of),
            $"residents {string.Join(' ', ledger.Objects.Residents.Select(held => $"{held.Resident}").Order())}",
            $"loaded {ledger.Sessions.LoadedCount} {ledger.Sessions.Count}",
            $"saved {string.Join(' ', ledger.Sessions.Saved.Select(session => session.Handle))}",
        ]);

    private static string Of(TpmCounts counts) =>
        counts.AreKnown ? $"counts {counts.Resets} {counts.Restarts} {counts.LastSure}" : "counts unknown";

    private static string Of(ProfileState profile) =>
        $"profile {string.Join(' ', profile.Commands)} / {string.Join(' ', profile.Properties)} / "
        + (profile.Audited is null ? "unknown" : string.Join(' ', profile.Audited));

    private static string Of(SpaceRecord space) =>
        $"space {space.Id} {Of(space.Owner)} raw {space.IsRaw} next {space.Next.Value}: "
        + string.Join(' ', space.Objects.OrderBy(held => held.Key.Value).Select(held => Of(held.Key, held.Value)))
        + $" sessions {string.Join(' ', space.Sessions.Select(session => session.Handle.Index).Order())}";

    private static string Of(VirtualHandle name, TransientObject held) =>
        $"[{name.Value} {held.Name.Value} {held.Space} {held.Resident} {held.Entered} {held.Hierarchy} "
        + $"{held.IsSequence} {held.IsStClear} {held.LastUse} {held.Interval} {Of(held.Context)}]";

    private static string Of(Session session) =>
        $"session {session.Handle} {session.Opener} {session.Sequence} {session.LastUse} {session.IsDoomed} "
        + $"{Of(session.Context)} {Of(session.Token)}" + (session.IsDoomed ? "" : Of(session.Owner));

    private static string Of(SpaceOwner owner) =>
        $"{owner.Group.Id} {owner.Group.Name} {owner.Uid} {owner.Locality} {owner.Payer}";

    private static string Of(byte[]? bytes) => bytes is null ? "none" : Convert.ToHexString(bytes);
}
