using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Commands;

/// <summary>Exclusive audit sessions survive everything that the manager does of its own accord.</summary>
public sealed class AuditTests
{
    [Fact]
    public void An_exclusive_audit_session_survives_evictions_idleness_and_other_openers_swaps()
    {
        using var rig = new Rig();
        Opener other = rig.Open(uid: 2);
        uint[] theirs = other.NewKeys(3);
        uint[] sessions = [.. Enumerable.Range(0, 3).Select(_ => other.NewSession(SessionType.Hmac))];
        other.Must(Cmd.ContextSave(sessions[0]));
        Opener opener = rig.Open();
        uint[] keys = opener.NewKeys(4);
        uint audit = opener.NewSession(SessionType.Hmac);
        opener.Must(Cmd.GetRandom(8, Auth.AuditSession(audit)));
        for (int i = 0; i < 10; i++)
        {
            rig.Settle();
            Array.ForEach(theirs, key => Assert.True(other.Do(Cmd.ContextSave(key)).IsSuccess));
            other.Must(
                Cmd.FlushContext(other.Must(Cmd.ContextLoad(other.Must(Cmd.ContextSave(theirs[0])).Body)).Handle));
            opener.Must(Cmd.Sign(keys[i % 4], "text", Auth.Password(), Auth.AuditSession(audit, exclusive: true)));
        }
    }

    [Fact]
    public void The_reserve_is_filled_again_once_no_exclusive_audit_session_is_left()
    {
        using var rig = new Rig();
        Opener opener = rig.Open();
        uint audit = opener.NewSession(SessionType.Hmac);
        opener.Must(Cmd.GetRandom(8, Auth.AuditSession(audit)));
        uint key = opener.Must(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())).Handle;
        rig.Tpm.Latency = code => code == 0x15D ? TimeSpan.FromSeconds(30) : TimeSpan.Zero;
        rig.Tpm.Wait = span =>
        {
            if (span > TimeSpan.Zero)
            {
                rig.Open().Send(Cmd.GetRandom(8));
                rig.Time.Advance(span);
            }
        };
        opener.Must(
            Cmd.Sign(key, "text", Auth.Password(), new Auth(audit, Auth.Continue | Auth.Audit | Auth.AuditReset)));
        rig.Tpm.Log.Clear();
        rig.Settle();
        Assert.Equal(0, rig.Tpm.Log.Count(Cmd.GetRandomCode));
        opener.Must(Cmd.FlushContext(audit));
        rig.Settle();
        Assert.Equal(1, rig.Tpm.Log.Count(Cmd.GetRandomCode));
    }
}
