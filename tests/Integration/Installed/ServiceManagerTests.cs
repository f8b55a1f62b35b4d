using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>
/// Tests the messages of the daemon to the service manager that started it (sd_notify(3)), with a socket in the service
/// manager's place.
/// </summary>
public sealed class ServiceManagerTests : IDisposable
{
    private const int Hup = 1;

    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly TpmProxy _proxy;
    private readonly DatagramSocket _manager;
    private readonly string _mountPoint;

    public ServiceManagerTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _proxy = new TpmProxy(_sandbox, _tpm);
        _manager = new DatagramSocket(_sandbox.PathOf("notify"));
        _mountPoint = _sandbox.MakeFolder("mnt");
    }

    public void Dispose()
    {
        _manager.Dispose();
        _proxy.Dispose();
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void Ready_is_told_when_the_mount_serves_and_stopping_before_it_goes()
    {
        using ChildProcess daemon = Start();
        UntilTold("READY=1\n", daemon);
        Use();
        string ready = _manager.Texts.Single(text => text.StartsWith("READY=1", StringComparison.Ordinal));
        Assert.Contains($"STATUS=serving swtpm:path={_proxy.Socket} at {_mountPoint}", ready, StringComparison.Ordinal);
        Assert.Equal(0, _manager.Count("WATCHDOG=1"));

        daemon.Send(Signals.Term);

        Assert.Equal(0, daemon.Wait(Deadline.Step).ExitCode);
        Assert.StartsWith(
            "STOPPING=1\n",
            _manager.Texts.Last(text => !text.StartsWith("FDSTORE", StringComparison.Ordinal)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_reload_is_told_with_the_time_of_its_begin_and_is_over_with_ready()
    {
        using ChildProcess daemon = Start();
        UntilTold("READY=1\n", daemon);
        int before = _manager.Messages.Count;
        long earliest = Environment.TickCount64;

        daemon.Send(Hup);

        Deadline.Poll(() => _manager.Messages.Count >= before + 2, "word of a reload", daemon.Describe);
        string[] lines = _manager.Texts[before].Split('\n');
        Assert.Equal("RELOADING=1", lines[0]);
        long begin = long.Parse(lines[1]["MONOTONIC_USEC=".Length..], CultureInfo.InvariantCulture) / 1000;
        Assert.InRange(begin, earliest - 100, Environment.TickCount64 + 100); // the coarse clock is a tick behind
        Assert.StartsWith("READY=1\n", _manager.Texts[before + 1], StringComparison.Ordinal);
    }

    [Fact]
    public void The_watchdog_hears_of_a_daemon_that_serves_though_its_tpm_is_slow()
    {
        using ChildProcess daemon = Start(watchdogMilliseconds: 150);
        UntilTold("WATCHDOG=1", daemon);
        TpmHold hold = _proxy.Hold(TpmCc.CreatePrimary);
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(Path.Combine(_mountPoint, "rm0"));
        opener.Write(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        UntilToldMore(daemon, 5);
        hold.Release();
    }

    [Fact]
    public void A_mount_that_is_taken_away_while_the_tpm_is_at_a_command_is_told_at_once()
    {
        using ChildProcess daemon = Start(watchdogMilliseconds: 150);
        UntilTold("READY=1\n", daemon);
        using var agent = new Agent(_sandbox);
        TpmHold hold = HoldCreatePrimary(agent);
        _sandbox.Shell($"umount --force --lazy {_mountPoint}");
        UntilTold("STOPPING=1\n", daemon);
        Deadline.Poll(
            () => daemon.Printed.Contains(
                "or aborted its connection; tpmfs ends", StringComparison.Ordinal), "word of it",
                daemon.Describe);
        Assert.False(daemon.HasExited);
        hold.Release();
        Assert.Equal(1, daemon.Wait(Deadline.Step).ExitCode);
    }

    [Fact]
    public void A_command_that_the_tpm_is_at_is_waited_for_when_the_daemon_stops()
    {
        using ChildProcess daemon = Start();
        UntilTold("READY=1\n", daemon);
        using var agent = new Agent(_sandbox);
        TpmHold hold = HoldCreatePrimary(agent);
        daemon.Send(Signals.Term);
        Deadline.Poll(
            () => daemon.Printed.Contains("is still executing a command; tpmfs waits for it", StringComparison.Ordinal),
            "word of it", daemon.Describe);
        hold.Release();
        Assert.Equal(0, daemon.Wait(Deadline.Step).ExitCode);
        Assert.True(TpmContents.Of(_proxy).IsEmpty, TpmContents.Of(_proxy).ToString());
    }

    [Fact]
    public void Without_libsystemd_the_log_says_what_to_install_and_the_mount_serves()
    {
        _sandbox.Shell("for library in /usr/lib/*/libsystemd.so.0; do mount --bind /dev/null $library; done");
        using ChildProcess daemon = Start();
        Deadline.Poll(
            () => daemon.Printed.Contains($"{_mountPoint}/rm0 is ready", StringComparison.Ordinal) || daemon.HasExited,
            "word of the mount",
            daemon.Describe);
        Use();
        Assert.Contains("libsystemd.so.0 is not there", daemon.Printed, StringComparison.Ordinal);
        Assert.Contains("package libsystemd0", daemon.Printed, StringComparison.Ordinal);
        Assert.Empty(_manager.Messages);
    }

    private ChildProcess Start(int? watchdogMilliseconds = null)
    {
        var environment = new Dictionary<string, string> { ["NOTIFY_SOCKET"] = _manager.Path };
        if (watchdogMilliseconds is int time)
        {
            environment["WATCHDOG_USEC"] = (time * 1000).ToString(CultureInfo.InvariantCulture);
        }

        string state = Daemon.StateFolder(_sandbox, _mountPoint);
        return _sandbox.Start(
            User.Root,
            [_sandbox.Program, "mount", _mountPoint, "--tpm", $"swtpm:path={_proxy.Socket}", "--state-dir", state],
            environment);
    }

    /// <summary>An opener's command is at the TPM, and cannot be cancelled.</summary>
    private TpmHold HoldCreatePrimary(Agent agent)
    {
        TpmHold hold = _proxy.Hold(TpmCc.CreatePrimary);
        agent.Open(Path.Combine(_mountPoint, "rm0")).Write(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        return hold;
    }

    private void UntilTold(string begin, ChildProcess daemon) => Deadline.Poll(
        () => daemon.HasExited || _manager.Texts.Any(text => text.StartsWith(begin, StringComparison.Ordinal)), begin,
        daemon.Describe);

    private void UntilToldMore(ChildProcess daemon, int times)
    {
        int before = _manager.Count("WATCHDOG=1");
        Deadline.Poll(() => _manager.Count("WATCHDOG=1") >= before + times, "signs of life", daemon.Describe);
    }

    private void Use()
    {
        using var agent = new Agent(_sandbox);
        agent.Open(Path.Combine(_mountPoint, "rm0")).Transact(Tpm2.GetRandom(8)).Succeeded();
    }
}
