using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
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

    /// <summary>
    /// Regression: the daemon gave the command up after 10 s, served nobody any more, and waited for 5 s more for the
    /// thread that the TPM held up. The next daemon needs nothing of that thread.
    /// </summary>
    [Fact]
    public void A_command_that_is_left_to_the_next_daemon_keeps_nobody_from_that_daemon()
    {
        KeptService service = StartService();
        Opener slow = Open(service.Node, User.Member);
        TpmHold hold = Proxy.Hold(TpmCc.CreatePrimary);
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        service.Send(Signals.User2);
        service.AwaitReady(2);
        Open(service.Node, User.OtherMember).Close();
        hold.Release();

        slow.Read().Data.Succeeded();
        Assert.Equal(1, Proxy.Count(TpmCc.CreatePrimary));
        Match pause = Regex.Match(service.Printed, "is taken over .*, ([0-9]+) ms after that one stopped serving");
        Assert.True(pause.Success, service.Describe());
        Assert.InRange(int.Parse(pause.Groups[1].Value, CultureInfo.InvariantCulture), 0, 4500);
    }
}
