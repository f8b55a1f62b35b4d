using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Manager;

/// <summary>
/// Holds what one manager held, so that another manager can go on with it, on the same machine and since the same boot.
/// <see cref="ResourceManager.WriteSnapshot"/> writes it.
/// </summary>
public sealed class ManagerSnapshot
{
    private ManagerSnapshot(TpmLedger ledger, ProfileState profile)
    {
        Ledger = ledger;
        Profile = profile;
    }

    /// <summary>
    /// The spaces that were open. <see cref="ResourceManager.ReopenSpace"/> goes on with one of them.
    /// </summary>
    public IEnumerable<SpaceId> Spaces => Ledger.Spaces.All.Select(space => space.Id);

    internal TpmLedger Ledger { get; }

    internal ProfileState Profile { get; }

    /// <summary>Reads a snapshot. The bytes are not trusted.</summary>
    /// <param name="time">The clock of the manager that goes on.</param>
    /// <param name="find">Called once for each group. What belonged to a group that is gone is flushed.</param>
    /// <param name="problem">Why the snapshot cannot be used: a sentence whose subject "it" is the snapshot.</param>
    public static bool TryRead(
        ReadOnlySpan<byte> bytes, TimeProvider time, FindGroup find, [NotNullWhen(true)] out ManagerSnapshot? snapshot,
        out string problem)
    {
        bool isRead = SnapshotReader.TryRead(
            bytes, time, find, out TpmLedger ledger, out ProfileState profile, out problem);
        snapshot = isRead ? new ManagerSnapshot(ledger, profile) : null;
        return isRead;
    }
}
