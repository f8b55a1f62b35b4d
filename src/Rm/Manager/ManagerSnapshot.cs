using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Manager;

/// <summary>
/// What one manager held, so that another one of the same machine, since the same boot, can go on with it: written by
/// <see cref="ResourceManager.WriteSnapshot"/>.
/// </summary>
public sealed class ManagerSnapshot
{
    private ManagerSnapshot(TpmLedger ledger, ProfileState profile)
    {
        Ledger = ledger;
        Profile = profile;
    }

    /// <summary>The spaces that were open; <see cref="ResourceManager.ReopenSpace"/> goes on with one.</summary>
    public IEnumerable<SpaceId> Spaces => Ledger.Spaces.All.Select(space => space.Id);

    internal TpmLedger Ledger { get; }

    internal ProfileState Profile { get; }

    /// <summary>Reads a snapshot. The bytes are not trusted.</summary>
    /// <param name="time">The clock of the manager that goes on.</param>
    /// <param name="find">Asked for each group once. What belonged to one that is gone is flushed.</param>
    /// <param name="problem">Why the snapshot cannot be used: a sentence without its subject.</param>
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
