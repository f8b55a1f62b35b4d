using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// Under systemd openers outlive the daemon. While clients hold keys, policy sessions and sequences, and check each of
/// their answers, the daemon is restarted, killed and upgraded.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class HandOverTests(InstalledDebian debian)
{
    private const string Clients = "/repository/tests/Integration/clients/survivors.py";

    private const string Kinds = "hash-block hash-poll hash-edge policy-block policy-edge saved-block sequence-poll "
        + "keys-block kept-block reopen pieces";

    private readonly DebianGuest _machine = debian.Machine;

    [Theory]
    [InlineData("systemctl restart tpmfs.service")]
    [InlineData("systemctl kill --kill-who=main --signal=KILL tpmfs.service")]
    [InlineData("tpmfs handover")]
    public void Clients_see_no_error(string what)
    {
        string begin = _machine.Now();
        string takeovers = Takeovers();
        StartClients(seconds: 20);
        for (int i = 0; i < 3; i++)
        {
            string before = _machine.Show("NRestarts") + Takeovers();
            _machine.Run(what).Succeeded();
            _machine.Await(
                $"[ $(systemctl show --value --property=NRestarts tpmfs.service){TakeoversScript} != {before} ]");
        }

        AssertClientsSucceed();
        Assert.Equal(int.Parse(takeovers, null) + 3, int.Parse(Takeovers(), null));
        Assert.Contains("is taken over from the daemon before", _machine.Log(begin), StringComparison.Ordinal);
        Assert.DoesNotContain("not taken over", _machine.Log(begin), StringComparison.Ordinal);
    }

    /// <summary>
    /// systemd keeps the descriptor of /dev/fuse. If it polled it, it would wake up for each request.
    /// </summary>
    [Fact]
    public void Systemd_does_not_wake_up_for_requests()
    {
        const string Switches = "awk '/ctxt_switches/ { n += $2 } END { print n }' /proc/1/status";
        long before = long.Parse(_machine.Ask(Switches), null);
        _machine.Run("for i in $(seq 1000); do stat /run/tpmfs/rm0; done >/dev/null").Succeeded();
        long after = long.Parse(_machine.Ask(Switches), null);

        // Each program that ends may wake systemd up, by a signal or a timer of its own; a thousand requests do not.
        Assert.InRange(after - before, 0, 100);
    }

    private const string TakeoversScript = "$(sed -n 's/^tpmfs_takeovers_total //p' /run/tpmfs/metrics)";

    private string Takeovers() => _machine.Ask($"echo {TakeoversScript}");

    private void StartClients(int seconds) => _machine.Run(
        $$"""
        rm -f /run/clients.*
        ( status=0; python3 {{Clients}} /run/tpmfs {{seconds}} 1 {{Kinds}} >/run/clients.log 2>&1 || status=$?; \
            echo $status >/run/clients.status ) </dev/null >/dev/null 2>&1 &
        sleep 2
        """).Succeeded();

    private void AssertClientsSucceed()
    {
        _machine.Await("[ -e /run/clients.status ]");
        Outcome outcome = _machine.Run("cat /run/clients.log; exit $(cat /run/clients.status)");
        Assert.True(outcome.ExitCode == 0, outcome.Output);
    }
}
