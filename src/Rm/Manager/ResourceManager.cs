using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Ledger;
using TpmFs.Rm.Scheduling;
using TpmFs.Tpm;

namespace TpmFs.Rm.Manager;

/// <summary>
/// Manages one TPM. Openers' threads hand commands in; one thread at a time carries them out and knows what the TPM
/// holds.
/// </summary>
public sealed class ResourceManager : IDisposable
{
    /// <summary>
    /// The time for which the start tries to reach the TPM for a response that the last manager waited for.
    /// </summary>
    private static readonly TimeSpan s_connectPatience = TimeSpan.FromSeconds(2);

    private readonly ManagerParts _parts;
    private readonly ManagerLoop _loop;
    private readonly TurnTaker _turns;
    private readonly SpaceServices _services;
    private readonly bool _isAdopting;

    /// <summary>The spaces of the last manager that go on; null once the manager has started.</summary>
    private Dictionary<SpaceId, ManagedSpace>? _reopened = [];

    private int _rawOpeners;
    private int _isDisposed;

    /// <summary>Makes the manager; <see cref="TryStart"/> or <see cref="Start"/> begins to serve.</summary>
    /// <param name="transport">The way to the TPM. The caller disposes of it, after the manager.</param>
    /// <param name="mirror">
    /// The mirror that the manager writes through, with the records of an earlier manager of the same TPM, if there was
    /// one; null for a manager with which no other will go on.
    /// </param>
    public ResourceManager(
        ITpmTransport transport, ResourceManagerOptions options, TimeProvider time, IResourceManagerLog log,
        ManagerMirror? mirror = null)
    {
        _parts = new ManagerParts(transport, options, time, log, mirror?.Ledger ?? new TpmLedger(time));
        _loop = new ManagerLoop(_parts);
        _turns = new TurnTaker(_parts, _loop);
        _services = new SpaceServices(_parts.Queue, _turns.Lend);
        _isAdopting = mirror is { IsAdopted: true };
        if (IsSuspended)
        {
            _parts.Sleep.Begin(static () => { });
        }
    }

    /// <summary>Gets the facts about the TPM, as far as they are known. Any thread.</summary>
    public TpmFacts Facts => _parts.Connection.Facts;

    /// <summary>Gets the reason why the TPM is not there, for a person; empty while it is. Any thread.</summary>
    public string Problem => _parts.Connection.Problem;

    /// <summary>Gets the command that the TPM has not answered; null when it has answered all. Any thread.</summary>
    public UnansweredCommand? Unanswered => _parts.Channel.Unanswered;

    /// <summary>
    /// True while the manager is prepared for the machine's sleep. The manager that goes on stays so until
    /// <see cref="Resume"/>.
    /// </summary>
    public bool IsSuspended => _parts.Ledger.IsSuspended;

    /// <summary>
    /// Gets the report of the takeover from the last manager; null where there was none, and before the start.
    /// </summary>
    public ManagerAdoption? Adopted { get; private set; }

    /// <summary>
    /// Connects to the TPM, starts it, learns what it is, and begins to serve. Returns false with what went wrong and
    /// what to do.
    /// </summary>
    public bool TryStart(out string problem)
    {
        if (!TryPrepare(out problem))
        {
            return false;
        }

        Start();
        return true;
    }

    /// <summary>
    /// Begins to serve a TPM that could not be reached yet. The manager tries it again and again; commands wait for it,
    /// or fail, as for a TPM that was lost.
    /// </summary>
    public void Start()
    {
        Adopt();
        _turns.Start();
    }

    /// <summary>
    /// Opens a group of spaces: the group of this name that the last manager had, or else a new one. A group of the
    /// last manager that nobody has opened when this one starts is let go of, with the sessions that its clients saved.
    /// Any thread.
    /// </summary>
    /// <param name="name">No other group that is open has it.</param>
    /// <param name="limits">The limits of its spaces, changeable while they are open.</param>
    public SchedulingGroup OpenGroup(string name, SpaceLimits limits) => _parts.Ledger.Groups.Open(name, limits);

    /// <summary>Opens a handle space. Any thread.</summary>
    public Space OpenSpace(SpaceOwner owner, ISpaceClient client) =>
        NewSpace(NewRecord(owner, isRaw: false), client);

    /// <summary>
    /// Opens the TPM itself. Returns false while there is a raw opener already: a TPM has one at a time. Managed
    /// openers go on beside it; before each raw command the manager moves everything of theirs out of the TPM. Any
    /// thread.
    /// </summary>
    public bool TryOpenRaw(SpaceOwner owner, ISpaceClient client, [NotNullWhen(true)] out Space? space)
    {
        bool isFree = Interlocked.CompareExchange(ref _rawOpeners, 1, 0) == 0;
        space = isFree ? NewSpace(NewRecord(owner, isRaw: true), client) : null;
        return isFree;
    }

    /// <summary>
    /// Goes on with a space of the last manager, as it was, or empty when it had sent no command. Call it before the
    /// manager starts, and hand in again the command that was under way: the client gets its answer, and the TPM gets
    /// the command once. The start lets go of what belongs to spaces that were not reopened.
    /// </summary>
    /// <param name="owner">The space's owner, whose group was opened again.</param>
    /// <param name="commands">
    /// The number of the space's commands that are over; the one that is handed in again is not.
    /// </param>
    public Space ReopenSpace(SpaceId id, SpaceOwner owner, ISpaceClient client, bool isRaw, long commands)
    {
        _parts.Ledger.GoOnFrom(id);
        SpaceRecord record = _parts.Ledger.Spaces.Find(id) ?? _parts.Ledger.NewSpace(id, owner, isRaw);
        ManagedSpace reopened = NewSpace(record, client, commands);
        _reopened!.Add(id, reopened);
        _rawOpeners |= record.IsRaw ? 1 : 0;
        return reopened;
    }

    /// <summary>
    /// Ends a group whose spaces are closed and of which no space will be opened any more. Its saved sessions are
    /// flushed too.
    /// </summary>
    public void EndGroup(SchedulingGroup group) => _parts.Dispatcher.End(group);

    /// <summary>
    /// Prepares for the machine's sleep: lets the command that runs end, saves everything, and answers all other
    /// commands with TPM_RC_RETRY (0x922) until <see cref="Resume"/>. Sends no TPM2_Shutdown: the kernel does that when
    /// it takes the TPM's power. Any thread; does not wait.
    /// </summary>
    /// <param name="saved">Called by the manager's thread when nothing is left in the TPM that would be lost.</param>
    public void Suspend(Action saved) => _parts.Sleep.Begin(saved);

    /// <summary>
    /// Goes on when the machine is awake, after it has asked the TPM what it still holds. Any thread; does not wait.
    /// </summary>
    public void Resume() => _parts.Sleep.End();

    /// <summary>
    /// Cancels the command that the TPM carries out at this moment, where that is possible. Any thread; does not wait.
    /// </summary>
    public void CancelRunning() => _parts.Dispatcher.CancelRunning();

    /// <summary>
    /// Ends the manager so that another one goes on from its mirror: begins no further command, and flushes and fails
    /// nothing. It is not disposed of after that. A thread that lends itself to the manager waits for ever from now on.
    /// </summary>
    /// <param name="patience">The longest wait for a command that runs.</param>
    /// <returns>False when the command still ran then. The next manager goes on with it.</returns>
    public bool Halt(TimeSpan patience) => _turns.TryEnd(patience);

    /// <summary>
    /// Cancels the command that runs, fails the commands that wait, and flushes everything that the manager holds,
    /// saved sessions too. Waits <see cref="ResourceManagerOptions.StopPatience"/> at the most.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _parts.Dispatcher.Stop();
            _turns.Join(_parts.Options.StopPatience);
            _parts.Queue.Dispose();
        }
    }

    /// <summary>Starts as <see cref="TryStart"/> does, but serves only when <see cref="RunOne"/> is called.</summary>
    internal bool TryPrepare(out string problem)
    {
        Adopt();
        bool isStarted = _parts.Connection.TryStart(_parts.Wake.Wait, out problem);
        _parts.Ledger.Mirror.Commit();
        return isStarted;
    }

    /// <inheritdoc cref="ManagerLoop.RunOne"/>
    internal bool RunOne() => _loop.RunOne();

    /// <inheritdoc cref="ManagerLoop.UntilDue"/>
    internal TimeSpan? UntilDue() => _loop.UntilDue();

    private SpaceRecord NewRecord(SpaceOwner owner, bool isRaw) =>
        _parts.Ledger.NewSpace(_parts.Ledger.NewSpaceId(), owner, isRaw);

    private ManagedSpace NewSpace(SpaceRecord record, ISpaceClient client, long commands = 0) =>
        new(_services, record, client, record.IsRaw ? () => Volatile.Write(ref _rawOpeners, 0) : null, commands);

    /// <summary>
    /// Goes on with what the last manager held: ends what it had begun, and lets go of what nobody has claimed. Does
    /// nothing when the manager was started before.
    /// </summary>
    private void Adopt()
    {
        if (_reopened is not { } reopened)
        {
            return;
        }

        _reopened = null;
        if (_isAdopting)
        {
            string exchange = new Adoption(_parts, _loop, _services).Finish(reopened, s_connectPatience);
            LetGoUnclaimed(reopened);
            TpmLedger ledger = _parts.Ledger;
            int objects = ledger.Spaces.All.Sum(space => space.Objects.Count);
            Adopted = new ManagerAdoption(reopened.Count, objects, ledger.Sessions.All.Count, exchange);
        }
    }

    private void LetGoUnclaimed(Dictionary<SpaceId, ManagedSpace> claimed)
    {
        TpmLedger ledger = _parts.Ledger;
        foreach (SpaceRecord space in ledger.Spaces.All.Where(space => !claimed.ContainsKey(space.Id)).ToArray())
        {
            ledger.LetGo(space);
        }

        foreach (SchedulingGroup group in ledger.Groups.TakeUnclaimed())
        {
            ledger.LetGo(group);
        }

        ledger.Mirror.Commit();
    }
}
