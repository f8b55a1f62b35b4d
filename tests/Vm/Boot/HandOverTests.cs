using System.Globalization;
using TpmFs.Vm.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// Under systemd openers outlive the daemon, on a kernel that does not send requests again (FUSE_NOTIFY_RESEND) and a
/// TPM that is a device.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class HandOverTests(InstalledDebian debian, ITestOutputHelper output)
{
    private const string Kill = "systemctl kill --kill-who=main --signal=KILL tpmfs.service";

    /// <summary>Of the guest's time: how long daemons are killed.</summary>
    private static readonly TimeSpan s_killing =
        DifferentialRun.IsSoak ? TimeSpan.FromMinutes(30) : TimeSpan.FromSeconds(30);

    private readonly DebianGuest _machine = debian.Machine;

    [Theory]
    [InlineData("systemctl restart tpmfs.service")]
    [InlineData(Kill)]
    [InlineData("tpmfs handover")]
    [InlineData("systemctl daemon-reexec; " + Kill)]
    public void Clients_see_no_error(string what)
    {
        const int Times = 2;
        string begin = _machine.Now();
        int takeovers = Takeovers();
        using var clients = new Survivors(_machine);
        for (int i = 1; i <= Times; i++)
        {
            _machine.Run(what).Succeeded();
            AwaitTakeovers(takeovers + i);
        }

        clients.Finish();
        Assert.Equal(takeovers + Times, Takeovers());
        AssertAllWasTakenOver(begin);
    }

    [Fact]
    public void Clients_see_no_error_when_the_watchdog_ends_a_daemon_that_does_not_serve()
    {
        using var setting = new DropIn(_machine, "WatchdogSec=5s\nTimeoutAbortSec=1s");
        _machine.Run("systemctl restart tpmfs.service").Succeeded();
        string begin = _machine.Now();
        int takeovers = Takeovers();
        using (var clients = new Survivors(_machine))
        {
            _machine.Run("systemctl kill --signal=STOP tpmfs.service").Succeeded();
            AwaitTakeovers(takeovers + 1);
            clients.Finish();
        }

        Assert.Contains("Watchdog timeout (limit 5s)!", _machine.Log(begin), StringComparison.Ordinal);
        AssertAllWasTakenOver(begin);
    }

    [Fact]
    public void Clients_see_no_error_while_daemons_are_killed_at_random_moments()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        string begin = _machine.Now();
        using (var clients = new Survivors(_machine, seed))
        {
            string kills = _machine.Run(
                $"/repository/tests/Vm/Boot/kill.py {s_killing.TotalSeconds:0} {seed}", 2 * s_killing)
                .Succeeded().Output.Trim();
            output.WriteLine($"daemons killed: {kills}; commands answered: {clients.Finish()}");
        }

        AssertAllWasTakenOver(begin);
        _machine.Await("[ \"$(head -n 3 /run/tpmfs/stat | tr '\\n' ' ')\" = 'openers 0 objects 0 sessions 0 ' ]");
        Assert.Empty(_machine.Ask("""
            for kind in transient loaded-session saved-session; do
                tpm2_getcap --tcti=device:/run/tpmfs/raw0 handles-$kind
            done
            """));
    }

    /// <summary>
    /// systemd keeps the descriptor of /dev/fuse. If it polled it, it would wake up for each request.
    /// </summary>
    [Fact]
    public void Systemd_does_not_wake_up_for_requests()
    {
        const string Switches = "awk '/ctxt_switches/ { n += $2 } END { print n }' /proc/1/status";
        long before = long.Parse(_machine.Ask(Switches), null);
        _machine.Run("python3 -c 'import os; [os.stat(\"/run/tpmfs/rm0\") for _ in range(1000)]'").Succeeded();
        long after = long.Parse(_machine.Ask(Switches), null);

        // A program that ends may wake systemd up, and a timer of its own; a thousand requests do not.
        Assert.InRange(after - before, 0, 100);
    }

    private int Takeovers() => int.Parse(
        _machine.Ask("sed -n 's/^tpmfs_takeovers_total //p' /run/tpmfs/metrics"), CultureInfo.InvariantCulture);

    /// <summary>A read of the mount waits until a daemon serves it.</summary>
    private void AwaitTakeovers(int count) =>
        _machine.Await($"[ $(sed -n 's/^tpmfs_takeovers_total //p' /run/tpmfs/metrics) = {count} ]");

    private void AssertAllWasTakenOver(string begin)
    {
        string log = _machine.Log(begin);
        Assert.Contains("is taken over from the daemon before", log, StringComparison.Ordinal);
        Assert.DoesNotContain("not taken over", log, StringComparison.Ordinal);
    }
}
