using TpmFs.Rm.Manager;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>A manager on a simulated TPM and a manual clock, driven by the test's own thread.</summary>
internal sealed class Rig : IDisposable
{
    private readonly Dictionary<string, SchedulingGroup> _groups = [];

    public Rig(TpmParameters? parameters = null, ResourceManagerOptions? options = null)
    {
        Tpm = new SimulatedTpm((parameters ?? new TpmParameters()) with { Time = Time });
        Tpm.Wait = Time.Advance;
        Manager = new ResourceManager(Tpm, options ?? new ResourceManagerOptions(), Time, Log);
        Assert.True(Manager.TryPrepare(out string problem), problem);
        Settle();
        Tpm.Log.Clear();
    }

    public ManualTime Time { get; } = new();

    public RecordingLog Log { get; } = new();

    public SimulatedTpm Tpm { get; }

    public ResourceManager Manager { get; }

    public SchedulingGroup Group(string name) =>
        _groups.TryGetValue(name, out SchedulingGroup? group)
            ? group : _groups[name] = new SchedulingGroup(Manager.NewGroupId(), name, new SpaceLimits());

    public Opener Open(string group = "root", uint uid = 1000, byte locality = 0) =>
        new(this, new SpaceOwner(Group(group), uid, locality));

    /// <summary>Runs the manager until it has nothing to do at this moment.</summary>
    public void Run()
    {
        while (Manager.RunOne())
        {
        }
    }

    /// <summary>Lets time pass, and the manager do what falls due in it.</summary>
    public void Pass(TimeSpan time)
    {
        Run();
        long start = Time.GetTimestamp();
        while (Manager.UntilDue() is { } due && Time.GetElapsedTime(start) + due <= time)
        {
            Time.Advance(due > TimeSpan.Zero ? due : TimeSpan.FromMilliseconds(1));
            Run();
        }

        TimeSpan left = time - Time.GetElapsedTime(start);
        Time.Advance(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        Run();
    }

    /// <summary>Lets the manager come to rest: everything released, every reserve filled.</summary>
    public void Settle() => Pass(TimeSpan.FromSeconds(1));

    /// <summary>Somebody beside the manager takes an object slot; the TPM's handle of what is in it.</summary>
    public uint TakeSlot() =>
        new Answer(Tpm.Direct(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), "theirs"))).Handle;

    public void Dispose()
    {
        Manager.Dispose();
        Tpm.Dispose();
    }
}
