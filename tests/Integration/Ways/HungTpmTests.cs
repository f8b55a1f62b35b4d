using System.Diagnostics;
using System.Text.RegularExpressions;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>A TPM that takes commands and answers none: a swtpm that is stopped with SIGSTOP.</summary>
public sealed class HungTpmTests : IDisposable
{
    /// <summary>The longest time, on a busy machine, of an operation that does not wait for the TPM.</summary>
    private static readonly TimeSpan s_quick = TimeSpan.FromSeconds(2);

    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;

    public HungTpmTests() => _tpm = new SoftwareTpm(_sandbox, "tpm");

    public void Dispose()
    {
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    /// <summary>The first command ended with ETIME, those after it with EIO.</summary>
    [Fact]
    public void Every_command_fails_with_ETIME_the_tree_stays_quick_and_openers_go_on_when_the_tpm_does()
    {
        using Daemon daemon = Start("2s");
        using (var agent = new Agent(_sandbox))
        {
            Opener opener = agent.Open(daemon.Node);
            uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
            _tpm.Send(Signals.Stop);
            opener.Submit(Tpm2.ReadPublic(key));
            Task<Reply> first = opener.BeginRead();
            AssertQuick(daemon);
            Assert.Equal("ETIME", agent.End(first).Errno);
            AssertQuick(daemon);
            opener.Submit(Tpm2.ReadClock());
            Assert.Equal("ETIME", opener.Read().Errno);
            using (var late = new Agent(_sandbox))
            {
                Opener another = late.Open(daemon.Node);
                another.Submit(Tpm2.ReadClock());
                Assert.Equal("ETIME", another.Read().Errno);
            }

            string status = _sandbox.Shell($"cat {daemon.MountPoint}/status");
            Assert.True(status.Contains("hangs, or", StringComparison.Ordinal), status);
            daemon.AwaitPrinted("it hangs, or");
            _tpm.Send(Signals.Continue);
            opener.Transact(Tpm2.ReadPublic(key)).Succeeded();
        }

        daemon.Stop();
    }

    [Fact]
    public void The_daemon_stops_though_its_tpm_hangs()
    {
        using Daemon daemon = Start("300s");
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        _tpm.Send(Signals.Stop);
        opener.Submit(Tpm2.ReadClock());
        Task<Reply> waits = opener.BeginRead();
        agent.WaitUntilBlockedIn(opener.Descriptor);
        daemon.Send(Signals.Term);
        // TimeoutStopSec= is 60 s
        Deadline.Poll(() => daemon.HasExited, "the end", daemon.Describe, TimeSpan.FromSeconds(50));
        Assert.Equal(0, daemon.Wait().ExitCode);
        Assert.DoesNotContain(daemon.MountPoint, _sandbox.FuseMounts);
        Assert.NotNull(agent.End(waits).Errno);
        _tpm.Send(Signals.Continue);
    }

    /// <summary>Neither status nor openers told of a TPM that hung when its client had been killed.</summary>
    [Fact]
    public void Status_and_doctor_say_to_what_the_tpm_has_not_answered_though_its_client_has_gone()
    {
        using Daemon daemon = Start("300s");
        var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        _tpm.Send(Signals.Stop);
        opener.Submit(Tpm2.ReadClock());
        _ = opener.BeginRead();
        agent.WaitUntilBlockedIn(opener.Descriptor);
        agent.Kill();
        string silent = @"NO ANSWER for \d+ s, to TPM2_ReadClock";
        Deadline.Poll(
            () => Regex.IsMatch(Command("status").Output, $"(?m)^ {{11}}{silent}$"), "NO ANSWER", daemon.Describe);
        Assert.Matches($"(?m)^WRONG  TPM 0 +{silent}", Command("doctor").Output);
        _tpm.Send(Signals.Continue);
        Deadline.Poll(
            () => !Command("status").Output.Contains("NO ANSWER", StringComparison.Ordinal), "an answer",
            daemon.Describe);

        Outcome Command(string name) =>
            _sandbox.Run(User.Root, _sandbox.Program, name, "--mount", daemon.MountPoint);
    }

    private Daemon Start(string timeout)
    {
        string file = Path.Combine(_sandbox.MakeRootsFolder("configuration"), "tpmfs.json");
        File.WriteAllText(file, $$"""{ "command_timeout": "{{timeout}}" }""");
        return new Daemon(_sandbox, _tpm.Tcti, _sandbox.MakeFolder("mnt"), "--config", file);
    }

    private void AssertQuick(Daemon daemon)
    {
        using var agent = new Agent(_sandbox);
        foreach (string file in (string[])["status", "metrics", "stat", "openers", "objects.max"])
        {
            var clock = Stopwatch.StartNew();
            Assert.Null(agent.Call("cat", Path.Combine(daemon.MountPoint, file)).Errno);
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, s_quick);
        }

        var opening = Stopwatch.StartNew();
        agent.Open(daemon.Node).Close();
        Assert.Null(agent.Call("mkdir", Path.Combine(daemon.MountPoint, "domains/quick")).Errno);
        _sandbox.Shell($"ls -lR {daemon.MountPoint} >/dev/null; rmdir {daemon.MountPoint}/domains/quick");
        Assert.InRange(opening.Elapsed, TimeSpan.Zero, s_quick);
    }
}
