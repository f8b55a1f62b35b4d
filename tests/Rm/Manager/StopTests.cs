using System.Diagnostics;
using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;
using TpmFs.Tpm;

namespace TpmFs.Rm.Tests.Manager;

/// <summary>A manager on its own thread that ends.</summary>
public sealed class StopTests
{
    [Theory]
    [InlineData(Rc.Canceled)]
    [InlineData(Rc.Retry)]
    public void The_tpm_is_left_empty_though_it_puts_the_flushing_off(uint warning)
    {
        using var tpm = new SimulatedTpm();
        var options = new ResourceManagerOptions { IdleRelease = TimeSpan.FromHours(1) };
        using var manager = new ResourceManager(tpm, options, TimeProvider.System, new RecordingLog());
        Assert.True(manager.TryStart(out string problem), problem);
        using var client = new Client();
        Space space = manager.OpenSpace(Owners.New(), client);
        Assert.True(space.TrySubmit(Cmd.CreatePrimary(Handles.Owner, Templates.Signing())));
        Assert.True(client.IsAnswered.Wait(TimeSpan.FromSeconds(30)));
        Assert.Single(tpm.TransientHandles);
        tpm.Faults.Warn(warning, times: 2, command: Cmd.FlushContextCode);
        manager.Dispose();
        Assert.Empty(tpm.TransientHandles);
    }

    [Fact]
    public void A_command_that_cannot_be_cancelled_is_waited_for_once()
    {
        using var end = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        using var tpm = new SimulatedTpm
        {
            Latency = code =>
            code == Cmd.GetRandomCode ? TimeSpan.FromSeconds(1) : TimeSpan.Zero,
            CancelTakesEffect = false
        };
        var options = new ResourceManagerOptions { StopPatience = TimeSpan.FromSeconds(1) };
        using var manager = new ResourceManager(tpm, options, TimeProvider.System, new RecordingLog());
        Assert.True(manager.TryStart(out string problem), problem);
        using var client = new Client();
        Space space = manager.OpenSpace(Owners.New(), client);
        tpm.Wait = _ =>
        {
            begun.Set();
            end.Wait(TimeSpan.FromSeconds(30));
        };
        Assert.True(space.TrySubmit(Cmd.GetRandom(33)));
        Assert.True(begun.Wait(TimeSpan.FromSeconds(30)));
        long start = Stopwatch.GetTimestamp();
        manager.Dispose();
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(20));
        start = Stopwatch.GetTimestamp();
        manager.Dispose();
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(0.9));
        end.Set();
        Assert.True(client.IsAnswered.Wait(TimeSpan.FromSeconds(30)));
    }

    private sealed class Client : ISpaceClient, IDisposable
    {
        public ManualResetEventSlim IsAnswered { get; } = new();

        public void Completed(ReadOnlySpan<byte> response) => IsAnswered.Set();

        public void Denied(TpmCc command) => IsAnswered.Set();

        public void Failed(SpaceFailure failure) => IsAnswered.Set();

        public void Dispose() => IsAnswered.Dispose();
    }
}
