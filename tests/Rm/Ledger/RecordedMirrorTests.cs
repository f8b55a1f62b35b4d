using TpmFs.Mirror;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Ledger;

/// <summary>
/// A manager reads what an earlier version recorded. The recordings are in the folder Recorded, whose README says how
/// to make the next one.
/// </summary>
public sealed class RecordedMirrorTests
{
    private static string Newest => RecordingOf(ManagerMirror.Format);

    /// <summary>
    /// Fails when the records changed and <see cref="ManagerMirror.Format"/> did not: a manager of the version before
    /// writes what is recorded.
    /// </summary>
    [Fact]
    public void The_records_of_this_format_are_written_as_they_were_recorded()
    {
        using var rig = new Rig();
        var now = new RecordedMemory(Play(rig), new Dictionary<string, ulong>());
        now.RecordWhenAsked(Newest);
        var recorded = RecordedMemory.Load(Newest);
        Assert.Equal(recorded.Records(ManagerMirror.Format), now.Records(ManagerMirror.Format));
    }

    [Fact]
    public void The_ledger_of_a_manager_of_format_1_is_read()
    {
        using var rig = new Rig();
        Play(rig);
        byte[] recorded = RecordedMemory.Load(RecordingOf(1)).Bytes;

        Assert.True(
            RecordStore.TryAdopt(recorded, ManagerMirror.Format, out RecordStore? store, out string problem), problem);
        Assert.True(ManagerMirror.TryOpen(store, rig.Time, out ManagerMirror? mirror, out problem), problem);

        Assert.True(mirror.IsAdopted);
        TpmLedger ledger = mirror.Ledger;
        Assert.Equal(2, ledger.Spaces.All.Count);
        SpaceRecord web = Assert.Single(ledger.Spaces.All, space => space.Owner.Group.Name == "web");
        Assert.Equal((5u, (byte)3), (web.Owner.Uid, web.Owner.Locality));
        Assert.Equal(6, web.Objects.Count);
        Assert.Single(web.Objects, held => held.Value.IsSequence);
        Assert.Equal(2, ledger.Sessions.Count);
        Assert.Single(ledger.Sessions.All, session => session.SavedByClient);
        Assert.Equal(LedgerText.Of(rig.Mirror.Ledger), LedgerText.Of(ledger));
    }

    /// <summary>Does what is recorded.</summary>
    /// <returns>The mirror's bytes.</returns>
    private static byte[] Play(Rig rig)
    {
        Opener web = rig.Open("web", uid: 5, locality: 3);
        web.NewKeys(5);
        web.Must(Cmd.HashSequenceStart(0x000B));
        web.Must(Cmd.ContextSave(web.NewSession(SessionType.Policy)));
        web.NewSession(SessionType.Hmac);
        Opener other = rig.Open();
        other.NewKeys(1);
        rig.Settle();
        return rig.Image();
    }

    private static string RecordingOf(uint format) => $"tests/Rm/Ledger/Recorded/format-{format}.txt";
}
