using System.Diagnostics;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>The daemon is told to hand over while the TPM takes long with a user's command.</summary>
public sealed class SlowCommandTests : KeptServiceTests
{
    /// <summary>
    /// Regression: the daemon read no more requests first, and then waited for the command, for 10 s. A user who has
    /// keys made all the time kept everybody from opening and reading anything meanwhile.
    /// </summary>
    [Fact]
    public void The_tree_is_served_while_the_last_command_of_a_TPM_takes_long()
    {
        KeptService service = StartService();
        Opener slow = Open(service.Node, User.Member);
        Opener waiting = Open(service.Node, User.OtherMember);
        TpmHold hold = Proxy.Hold(TpmCc.CreatePrimary);
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        service.Send(Signals.User2);
        service.AwaitPrinted("hands over to the installed program");

        var clock = Stopwatch.StartNew();
        waiting.Submit(Tpm2.CreatePrimary());
        string status = Path.Combine(service.MountPoint, "status");
        Sandbox.Run(User.Outsider, "cat", status).Succeeded();
        Open(service.Node, User.OtherMember).Close();
        TimeSpan taken = clock.Elapsed;
        hold.Release();

        service.AwaitReady(2);
        slow.Read().Data.Succeeded();
        waiting.Read().Data.Succeeded();
        Assert.Equal(2, Proxy.Count(TpmCc.CreatePrimary));
        Assert.InRange(taken, TimeSpan.Zero, TimeSpan.FromSeconds(4));
    }
}
