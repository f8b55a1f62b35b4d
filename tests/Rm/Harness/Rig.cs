using TpmFs.Rm.Manager;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>A manager on a simulated TPM and a manual clock, driven by the test's own thread.</summary>
internal sealed class Rig : IDisposable
{
    private readonly Dictionary<string, SchedulingGroup> _groups = [];
    private readonly List<Opener> _openers = [];
    private readonly ResourceManagerOptions _options;

    public Rig(TpmParameters? parameters = null, ResourceManagerOptions? options = null)
    {
        Tpm = new SimulatedTpm((parameters ?? new TpmParameters()) with { Time = Time });
        Tpm.Wait = Time.Advance;
        _options = options ?? new ResourceManagerOptions();
        Manager = new ResourceManager(Tpm, _options, Time, Log);
        Assert.True(Manager.TryPrepare(out string problem), problem);
        Settle();
        Tpm.Log.Clear();
    }

    public ManualTime Time { get; } = new();

    public RecordingLog Log { get; } = new();

    public SimulatedTpm Tpm { get; }

    public ResourceManager Manager { get; private set; }

    public SchedulingGroup Group(string name) =>
        _groups.TryGetValue(name, out SchedulingGroup? group)
            ? group : _groups[name] = new SchedulingGroup(Manager.NewGroupId(), name, new SpaceLimits());

    public Opener Open(string group = "root", uint uid = 1000, byte locality = 0)
    {
        var opener = new Opener(this, new SpaceOwner(Group(group), uid, locality));
        _openers.Add(opener);
        return opener;
    }

    /// <summary>
    /// Throws the manager away, in whatever state the TPM is, and goes on with another one that knows its snapshot.
    /// Every opener that is not closed goes on with its space.
    /// </summary>
    public void ReplaceManager() => ReplaceManager(Manager.WriteSnapshot());

    /// <inheritdoc cref="ReplaceManager()"/>
    public void ReplaceManager(byte[] snapshot)
    {
        Assert.True(
            ManagerSnapshot.TryRead(
                snapshot, Time, (id, _) => _groups.Values.FirstOrDefault(group => group.Id == id),
                out ManagerSnapshot? read, out string problem),
            problem);
        Manager = new ResourceManager(Tpm, _options, Time, Log, read);
        _openers.RemoveAll(opener => opener.IsClosed);
        _openers.ForEach(opener => opener.GoOnWith(Manager));
        Assert.True(Manager.TryPrepare(out problem), problem);
    }

    /// <summary>Forgets a group, as after its domain was removed.</summary>
    public void Forget(string group) => _groups.Remove(group);

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
