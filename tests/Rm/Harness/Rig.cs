using TpmFs.Mirror;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Manager;
using TpmFs.Simulation;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>A manager on a simulated TPM and a manual clock, driven by the test's own thread.</summary>
internal sealed class Rig : IDisposable
{
    private readonly Dictionary<string, SchedulingGroup> _groups = [];
    private readonly List<Opener> _openers = [];
    private readonly ResourceManagerOptions _options;
    private Func<int?> _moments = () => null;
    private Action? _died;
    private byte[] _memory = StoreMemories.Rent();

    public Rig(TpmParameters? parameters = null, ResourceManagerOptions? options = null)
    {
        Tpm = new SimulatedTpm((parameters ?? new TpmParameters()) with { Time = Time });
        Tpm.Wait = Time.Advance;
        _options = options ?? new ResourceManagerOptions();
        Store = RecordStore.Create(_memory, ManagerMirror.Format);
        Mirror = Open(Store);
        Manager = new ResourceManager(Tpm, _options, Time, Log, Mirror);
        Assert.True(Manager.TryPrepare(out string problem), problem);
        Settle();
        Tpm.Log.Clear();
    }

    public ManualTime Time { get; } = new();

    public RecordingLog Log { get; } = new();

    public SimulatedTpm Tpm { get; }

    public ResourceManager Manager { get; private set; }

    public RecordStore Store { get; private set; }

    public ManagerMirror Mirror { get; private set; }

    /// <summary>The death that awaits the manager, or that it died; null when it lives without danger.</summary>
    public Death? Death { get; private set; }

    /// <summary>Gets the number of managers that have died.</summary>
    public long Deaths { get; private set; }

    /// <summary>True from the manager's death until another one goes on: nothing that it does then counts.</summary>
    public bool IsDead => Death is { Image: not null };

    public SchedulingGroup Group(string name) =>
        _groups.TryGetValue(name, out SchedulingGroup? group)
            ? group : _groups[name] = Manager.OpenGroup(name, new SpaceLimits());

    public Opener OpenRaw()
    {
        var opener = new Opener(this, new SpaceOwner(Group("root"), 0, 0), isRaw: true);
        _openers.Add(opener);
        return opener;
    }

    /// <summary>The owner, with the group of its name that is open now.</summary>
    public SpaceOwner Owner(SpaceOwner earlier) => earlier with { Group = Group(earlier.Group.Name) };

    public Opener Open(string group = "root", uint uid = 1000, byte locality = 0)
    {
        var opener = new Opener(this, new SpaceOwner(Group(group), uid, locality));
        _openers.Add(opener);
        return opener;
    }

    /// <summary>The mirror's bytes at this moment.</summary>
    public byte[] Image() => (byte[])_memory.Clone();

    /// <summary>Asserts that a manager that went on now would know all that this one knows.</summary>
    public void AssertMirrored()
    {
        Assert.Equal(LedgerText.Of(Mirror.Ledger), LedgerText.Of(Open(Adopt(Image())).Ledger));
    }

    /// <summary>Asserts that the TPM holds nothing that the manager does not know of.</summary>
    public void AssertNothingIsForgotten()
    {
        TpmLedger ledger = Mirror.Ledger;
        Assert.All(Tpm.TransientHandles, handle => Assert.True(ledger.Objects.Holds(new TpmHandle(handle))));
        Assert.All(
            Tpm.LoadedSessions.Concat(Tpm.SavedSessions),
            handle => Assert.True(ledger.Sessions.Holds(new TpmHandle(handle))));
    }

    /// <summary>
    /// Throws the manager away, in whatever state the TPM is, and goes on with another one that has its mirror. Every
    /// opener that is not closed goes on with its space.
    /// </summary>
    public void ReplaceManager() => ReplaceManager(Image());

    /// <inheritdoc cref="ReplaceManager()"/>
    /// <param name="image">The mirror's memory as it was at some moment.</param>
    public void ReplaceManager(byte[] image)
    {
        try
        {
            GoOnFrom(image);
            Assert.True(Manager.TryPrepare(out string problem), problem);
        }
        catch (ProcessDied)
        {
            GoOnAfterDeath();
        }
    }

    /// <summary>
    /// Lets the manager die after some more of the moments at which the next one would find another state: writes to
    /// the mirror, and steps of an exchange with the TPM. Another manager goes on at once.
    /// </summary>
    /// <param name="moments">
    /// The number of moments that this manager has, and then each next one; null lets it live.
    /// </param>
    /// <param name="died">Called between a death and the next manager.</param>
    public void DieAfter(Func<int?> moments, Action? died = null)
    {
        (_moments, _died) = (moments, died);
        Death = NextDeath();
        Endanger();
    }

    private Death? NextDeath() => _moments() is { } moments ? new Death(moments, Image) : null;

    /// <summary>Goes on with another manager if this one has died.</summary>
    private void GoOnAfterDeath()
    {
        if (IsDead)
        {
            Deaths++;
            _died?.Invoke();
            byte[] image = Death!.Image!;
            Death = NextDeath();
            ReplaceManager(image);
        }
    }

    private void GoOnFrom(byte[] image)
    {
        _memory = image;
        Store = Adopt(_memory);
        Mirror = Open(Store);
        Manager = new ResourceManager(Tpm, _options, Time, Log, Mirror);
        Endanger();
        foreach ((string name, SchedulingGroup group) in _groups.ToArray())
        {
            _groups[name] = Manager.OpenGroup(name, group.Limits);
        }

        _openers.RemoveAll(opener => opener.IsClosed);
        _openers.ForEach(opener => opener.GoOnWith(Manager));
    }

    /// <summary>
    /// Lets death look at every moment; for ever with the TPM, since a dead manager must send nothing.
    /// </summary>
    private void Endanger()
    {
        Action? look = Death is { } death ? death.Look : null;
        Tpm.MayDie = look;
        Store.AfterWrite = look;
    }

    private static RecordStore Adopt(byte[] memory)
    {
        bool isAdopted =
            RecordStore.TryAdopt(memory, ManagerMirror.Format, out RecordStore? store, out string problem);
        Assert.True(isAdopted, problem);
        return store!;
    }

    private ManagerMirror Open(RecordStore store)
    {
        Assert.True(ManagerMirror.TryOpen(store, Time, out ManagerMirror? mirror, out string problem), problem);
        return mirror!;
    }

    /// <summary>Forgets a group, as after its domain was removed.</summary>
    public void Forget(string group) => _groups.Remove(group);

    /// <summary>Runs the manager until it has nothing to do at this moment.</summary>
    public void Run()
    {
        bool isBusy = true;
        while (isBusy)
        {
            try
            {
                isBusy = Manager.RunOne() || IsDead;
            }
            catch (ProcessDied)
            {
            }

            GoOnAfterDeath();
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
        if (!IsDead)
        {
            Manager.Dispose();
        }

        Tpm.Dispose();
        StoreMemories.Return(_memory);
    }
}
