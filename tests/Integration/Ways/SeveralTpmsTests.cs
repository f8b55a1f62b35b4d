using System.Globalization;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>Two TPMs of one daemon: what happens to one is nothing to the other.</summary>
public sealed class SeveralTpmsTests : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _first;
    private readonly SoftwareTpm _second;
    private readonly string _mountPoint;

    public SeveralTpmsTests()
    {
        _first = new SoftwareTpm(_sandbox, "first");
        _second = new SoftwareTpm(_sandbox, "second");
        _mountPoint = _sandbox.MakeFolder("mnt");
    }

    public void Dispose()
    {
        _second.Dispose();
        _first.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void One_that_is_killed_and_started_again_under_load_is_not_noticed_by_the_clients_of_the_other()
    {
        using Daemon daemon = Start(_first.Tcti, _second.Tcti);
        string second = Path.Combine(_mountPoint, "rm1"), stop = _sandbox.PathOf("stop");
        using ChildProcess steady = _sandbox.Start(
            User.Root, ["/usr/bin/python3", Path.Combine(_sandbox.Scripts, "clients", "steady.py"), daemon.Node, stop]);
        using ChildProcess hammer = _sandbox.Start(
            User.Root, ["/usr/bin/python3", Path.Combine(_sandbox.Scripts, "clients", "hammer.py"), daemon.Node, "8"]);
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(second);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        for (int round = 0; round < 3; round++)
        {
            _second.Kill();
            opener.Submit(Tpm2.GetRandom(33));
            Reply reply = opener.Read();
            Assert.True(reply.Errno is null or "EIO", reply.Errno);
            Assert.Contains("NOT THERE", _sandbox.Shell($"cat {_mountPoint}/status"), StringComparison.Ordinal);
            _second.Restart();
            Deadline.Poll(
                () =>
                {
                    opener.Submit(Tpm2.GetRandom(33));
                    return opener.Read().Errno is null;
                },
                "the second TPM is served again");
        }

        hammer.Wait().Succeeded();
        File.WriteAllText(stop, "");
        string[] told = steady.Wait().Succeeded().Output.Split(' ');
        Assert.InRange(int.Parse(told[0], CultureInfo.InvariantCulture), 1000, int.MaxValue);

        // A pause of the second TPM's would be its 10 s of patience, or a reconnect's 2 s; commands of this one and a
        // busy machine take less.
        Assert.InRange(int.Parse(told[1], CultureInfo.InvariantCulture), 0, 1500);
        agent.Dispose();
        daemon.Stop();
    }

    [Fact]
    public void One_that_is_not_there_at_the_start_is_waited_for_while_the_other_is_served()
    {
        _second.Kill();
        using Daemon daemon = Start(_first.Tcti, _second.Tcti);
        using var agent = new Agent(_sandbox);
        agent.Open(daemon.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        Opener late = agent.Open(Path.Combine(_mountPoint, "rm1"));
        late.Submit(Tpm2.GetRandom(33));
        _second.Restart();
        late.Read().Data.Succeeded();
        Deadline.Poll(
            () => daemon.Printed.Contains("TPM 1 is there", StringComparison.Ordinal), "the log says so",
            daemon.Describe);
        Assert.Null(agent.Call("open", Path.Combine(_mountPoint, "locality/4/rm1"), "O_RDWR").Errno);
        agent.Dispose();
        daemon.Stop();
    }

    [Fact]
    public void Where_none_is_there_the_daemon_says_so_of_each_and_does_not_start()
    {
        _first.Kill();
        _second.Kill();
        using ChildProcess process = Daemon.Start(_sandbox, _first.Tcti, _mountPoint, "--tpm", _second.Tcti);
        Outcome outcome = process.Wait(Deadline.Step);
        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains(_first.Socket, outcome.Error, StringComparison.Ordinal);
        Assert.Contains(_second.Socket, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_embedded_TPMs_have_a_state_each_and_a_TPM_cannot_be_given_twice()
    {
        using Daemon daemon = Start("embedded", "embedded");
        using var agent = new Agent(_sandbox);
        foreach (string node in (string[])["rm0", "rm1", "locality/2/raw1"])
        {
            agent.Open(Path.Combine(_mountPoint, node)).Transact(Tpm2.GetRandom(8)).Succeeded();
        }

        Assert.Equal(
            ["swtpm", "swtpm1"],
            Directory.GetDirectories(Daemon.StateFolder(_sandbox, _mountPoint)).Select(Path.GetFileName).Order());
        agent.Dispose();
        daemon.Stop();
        using ChildProcess twice = Daemon.Start(_sandbox, _first.Tcti, _mountPoint, "--tpm", _first.Tcti);
        Outcome outcome = twice.Wait(Deadline.Step);
        Assert.Equal(2, outcome.ExitCode);
        Assert.Contains("is given twice", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_container_s_directory_has_both()
    {
        using Daemon daemon = Start(_first.Tcti, _second.Tcti);
        _sandbox.Shell($"mkdir {_mountPoint}/domains/web && chmod 600 {_mountPoint}/domains/web/rm1");
        using var agent = new Agent(_sandbox);
        agent.Open(Path.Combine(_mountPoint, "domains/web/rm1")).Transact(Tpm2.GetRandom(8)).Succeeded();
        agent.Dispose();
        daemon.Stop();
        using Daemon again = Start(_first.Tcti, _second.Tcti);
        Assert.Equal("600 660\n", _sandbox.Shell($"cd {_mountPoint}/domains/web && echo $(stat -c %a rm1 rm0)"));
        again.Stop();
    }

    private Daemon Start(string first, string second) => new(_sandbox, first, _mountPoint, "--tpm", second);
}
