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
    private readonly ManagerParts _parts;
    private readonly ManagerLoop _loop;
    private readonly TurnTaker _turns;
    private readonly SpaceServices _services;
    private readonly HashSet<SpaceId> _unclaimed;
    private int _rawOpeners;
    private int _isDisposed;

    /// <summary>Makes the manager; <see cref="TryStart"/> or <see cref="Start"/> begins to serve.</summary>
    /// <param name="transport">The way to the TPM. The caller disposes of it, after the manager.</param>
    /// <param name="snapshot">
    /// What an earlier manager of the same TPM held, with which this manager goes on; null to begin with nothing. A
    /// snapshot serves one manager.
    /// </param>
    public ResourceManager(
        ITpmTransport transport, ResourceManagerOptions options, TimeProvider time, IResourceManagerLog log,
        ManagerSnapshot? snapshot = null)
    {
        _parts = new ManagerParts(transport, options, time, log, snapshot);
        _loop = new ManagerLoop(_parts);
        _turns = new TurnTaker(_parts, _loop);
        _services = new SpaceServices(_parts.Queue, _turns.Lend);
        _unclaimed = [.. snapshot?.Spaces ?? []];
    }

    /// <summary>What the TPM is, as far as it is known. Any thread.</summary>
    public TpmFacts Facts => _parts.Connection.Facts;

    /// <summary>Why the TPM is not there, for a person; empty while it is. Any thread.</summary>
    public string Problem => _parts.Connection.Problem;

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
        LetGoUnclaimed();
        _turns.Start();
    }

    /// <summary>Returns an id for a new group, which no group had before. Any thread.</summary>
    public GroupId NewGroupId() => _parts.Ledger.NewGroupId();

    /// <summary>Opens a handle space. Any thread.</summary>
    public Space OpenSpace(SpaceOwner owner, ISpaceClient client) =>
        new ManagedSpace(_services, NewRecord(owner, isRaw: false), client);

    /// <summary>
    /// Opens the TPM itself. Returns false while there is a raw opener already: a TPM has one at a time. Managed
    /// openers go on beside it; before each raw command the manager moves everything of theirs out of the TPM. Any
    /// thread.
    /// </summary>
    public bool TryOpenRaw(SpaceOwner owner, ISpaceClient client, [NotNullWhen(true)] out Space? space)
    {
        bool isFree = Interlocked.CompareExchange(ref _rawOpeners, 1, 0) == 0;
        space = isFree ? NewRaw(NewRecord(owner, isRaw: true), client) : null;
        return isFree;
    }

    /// <summary>
    /// Goes on with a space of the snapshot. Call it before the manager starts: the start flushes what belongs to
    /// spaces that were not reopened.
    /// </summary>
    /// <returns>Null when the snapshot has no such space, or the space was reopened before.</returns>
    public Space? ReopenSpace(SpaceId id, ISpaceClient client)
    {
        if (!_unclaimed.Remove(id) || _parts.Ledger.Spaces.Find(id) is not { } record)
        {
            return null;
        }

        if (!record.IsRaw)
        {
            return new ManagedSpace(_services, record, client);
        }

        _rawOpeners = 1;
        return NewRaw(record, client);
    }

    /// <summary>
    /// Ends a group whose spaces are closed and of which no space will be opened any more. Its saved sessions are
    /// flushed too.
    /// </summary>
    public void EndGroup(SchedulingGroup group) => _parts.Queue.End(group);

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
    public void CancelRunning() => _parts.Queue.CancelRunning();

    /// <summary>
    /// Writes down all that the next manager needs. It does so between two commands, so it waits for a command that
    /// runs. The snapshot has no waiting commands. Any thread.
    /// </summary>
    public byte[] WriteSnapshot() => _turns.During(
        () => new SnapshotWriter(_parts.Time).Write(_parts.Ledger, _parts.Profile.State));

    /// <summary>
    /// Cancels the command that runs, fails the commands that wait, and flushes everything that the manager holds,
    /// saved sessions too. Waits <see cref="ResourceManagerOptions.StopPatience"/> at the most.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _parts.Queue.Stop();
            _turns.Join(_parts.Options.StopPatience);
            _parts.Queue.Dispose();
        }
    }

    /// <summary>Starts as <see cref="TryStart"/> does, but serves only when <see cref="RunOne"/> is called.</summary>
    internal bool TryPrepare(out string problem)
    {
        LetGoUnclaimed();
        return _parts.Connection.TryStart(_parts.Wake.Wait, out problem);
    }

    /// <inheritdoc cref="ManagerLoop.RunOne"/>
    internal bool RunOne() => _loop.RunOne();

    /// <inheritdoc cref="ManagerLoop.UntilDue"/>
    internal TimeSpan? UntilDue() => _loop.UntilDue();

    private SpaceRecord NewRecord(SpaceOwner owner, bool isRaw) =>
        new(_parts.Ledger.NewSpaceId(), owner, isRaw, _parts.Ledger.Spaces.Objects);

    private ManagedSpace NewRaw(SpaceRecord record, ISpaceClient client) =>
        new(_services, record, client, closed: () => Volatile.Write(ref _rawOpeners, 0));

    private void LetGoUnclaimed()
    {
        foreach (SpaceId id in _unclaimed)
        {
            if (_parts.Ledger.Spaces.Find(id) is { } space)
            {
                _parts.Ledger.LetGo(space);
            }
        }

        _unclaimed.Clear();
    }
}
