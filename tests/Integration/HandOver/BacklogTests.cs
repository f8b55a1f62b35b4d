using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>The daemon is killed while it still has sessions to flush that a user has left behind.</summary>
public sealed class BacklogTests : KeptServiceTests
{
    /// <summary>sessions.saved.max of the root.</summary>
    private const int SavedMax = 32;

    /// <summary>
    /// Regression: a session that its user had saved one too many of, and then closed the node, was in the records with
    /// an opener that was gone. The next daemon found them damaged, and all users lost their keys and sessions.
    /// </summary>
    [Fact]
    public void What_one_user_leaves_to_flush_costs_another_user_nothing()
    {
        KeptService service = StartService();
        Opener other = Open(service.Node, User.OtherMember);
        uint kept = other.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        Opener many = Open(service.Node, User.Member);
        Assert.All(Enumerable.Range(0, 4), _ => NewSession(many));
        Opener saving = Open(service.Node, User.Member);
        Assert.All(Enumerable.Range(0, SavedMax), _ => saving.Transact(Tpm2.ContextSave(NewSession(saving))));
        uint oneTooMany = NewSession(saving);

        TpmHold first = Proxy.Hold(TpmCc.FlushContext);
        many.Close();
        first.WaitUntilHeld();
        TpmHold second = Proxy.Hold(TpmCc.FlushContext);
        saving.Submit(Tpm2.ContextSave(oneTooMany)); // which ends the session that was saved first
        Task<Reply> saved = saving.BeginRead();
        AwaitWaitingRead(service); // so the command is queued, and goes before the next flush
        first.Release();
        second.WaitUntilHeld();
        saving.Agent.End(saved).Data.Succeeded();
        TpmHold third = Proxy.Hold(TpmCc.FlushContext);
        Close(saving, service);
        second.Release();
        third.WaitUntilHeld();
        service.Kill();
        third.Release();

        service.AwaitReady(2);
        other.Transact(Tpm2.PolicyGetDigest(kept)).Succeeded();
        Assert.DoesNotContain("damaged", service.Printed, StringComparison.Ordinal);
    }

    private static uint NewSession(Opener opener) => opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();

    private void AwaitWaitingRead(KeptService service) => Deadline.Poll(
        () => Sandbox.Shell($"cat {service.MountPoint}/stat").Contains("waiting_reads 1\n", StringComparison.Ordinal),
        "a read that waits", service.Describe);

    /// <summary>Closes an opener, and waits until the daemon knows.</summary>
    private void Close(Opener opener, KeptService service)
    {
        string pid = $" {opener.Agent.Id} ";
        opener.Close();
        Deadline.Poll(
            () => !Sandbox.Shell($"cat {service.MountPoint}/openers").Contains(pid, StringComparison.Ordinal),
            "an opener that is gone", service.Describe);
    }
}
