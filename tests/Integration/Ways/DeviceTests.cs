using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>
/// A device that is in use, appears late, goes away and comes back: the raw node of another TpmFs plays it.
/// </summary>
public sealed class DeviceTests : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly string _below;
    private readonly string _above;

    public DeviceTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _below = _sandbox.MakeFolder("below");
        _above = _sandbox.MakeFolder("above");
    }

    public void Dispose()
    {
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void A_device_may_appear_after_the_start_and_go_away_and_come_back_without_a_reopen()
    {
        using var daemon = new Daemon(_sandbox, Device, _above);
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        opener.Submit(Tpm2.GetRandom(33));
        Assert.Contains($"there is no {_below}/raw0", _sandbox.Shell($"cat {_above}/status"), StringComparison.Ordinal);
        using (var below = new Daemon(_sandbox, _tpm.Tcti, _below))
        {
            opener.Read().Data.Succeeded(); // it has waited
            uint key = opener.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
            below.Send(Signals.Kill);
            below.Wait();
            opener.Submit(Tpm2.FlushContext(key));
            Assert.Equal("EIO", opener.Read().Errno ?? "EIO");
        }

        _sandbox.Shell($"umount -l {_below}");
        using (var below = new Daemon(_sandbox, _tpm.Tcti, _below))
        {
            Deadline.Poll(
                () =>
                {
                    opener.Submit(Tpm2.GetRandom(33));
                    return opener.Read().Errno is null;
                },
                "the device works again");
            opener.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
            agent.Dispose();
            daemon.Stop();
            below.Stop();
        }
    }

    [Fact]
    public void A_device_that_somebody_has_open_is_waited_for_and_who_that_is_is_said()
    {
        using var below = new Daemon(_sandbox, _tpm.Tcti, _below);
        using var holder = new Agent(_sandbox);
        Opener held = holder.Open(Path.Combine(_below, "raw0"));
        using var daemon = new Daemon(_sandbox, Device, _above);
        string said = $"is in use by process {holder.Id} (python3)";
        Deadline.Poll(() => daemon.Printed.Contains(said, StringComparison.Ordinal), said, daemon.Describe);
        Assert.Contains($"fuser -v {_below}/raw0", daemon.Printed, StringComparison.Ordinal);
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        opener.Submit(Tpm2.GetRandom(33));
        held.Close();
        opener.Read().Data.Succeeded();
        agent.Dispose();
        daemon.Stop();
        below.Stop();
    }

    [Theory]
    [InlineData("device:/dev/tpmrm0", 2, "is the kernel's resource manager")]
    [InlineData("device:tpm0", 2, "needs the path")]
    [InlineData("tcti:nonsense", 1, "does not start")]
    public void What_cannot_be_a_TPM_is_refused_with_the_reason(string way, int exitCode, string reason)
    {
        using ChildProcess process = Daemon.Start(_sandbox, way, _above);
        Outcome outcome = process.Wait(Deadline.Step);
        Assert.Equal(exitCode, outcome.ExitCode);
        Assert.Contains(reason, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tree_cannot_be_its_own_TPM()
    {
        using ChildProcess process = Daemon.Start(_sandbox, $"device:{_above}/raw0", _above);
        Outcome outcome = process.Wait(Deadline.Step);
        Assert.Equal(2, outcome.ExitCode);
        Assert.Contains("cannot be its own TPM", outcome.Error, StringComparison.Ordinal);
    }

    private string Device => $"device:{_below}/raw0";
}
