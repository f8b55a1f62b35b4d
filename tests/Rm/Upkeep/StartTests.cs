using TpmFs.Rm.Manager;
using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Upkeep;

/// <summary>Tests what the manager does to a TPM that it finds in use.</summary>
public sealed class StartTests
{
    [Fact]
    public void Objects_of_other_programs_are_left_alone_at_the_start_and_at_the_end()
    {
        using var tpm = new SimulatedTpm();
        tpm.TryConnect(TimeSpan.Zero, out _);
        tpm.Direct(Cmd.Startup());
        tpm.Direct(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        tpm.Direct(Cmd.StartAuthSession(SessionType.Policy));
        using var manager =
            new ResourceManager(tpm, new ResourceManagerOptions(), TimeProvider.System, new RecordingLog());
        Assert.True(manager.TryPrepare(out string problem), problem);
        Assert.Single(tpm.TransientHandles);
        Assert.Single(tpm.LoadedSessions);
        manager.Dispose();
        Assert.Single(tpm.TransientHandles);
        Assert.Single(tpm.LoadedSessions);
    }
}
