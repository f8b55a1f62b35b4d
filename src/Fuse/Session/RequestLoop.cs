using System.Diagnostics;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Placement;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Reads a session's requests and serves them, on whichever of the session's threads has the turn.
/// </summary>
/// <param name="device">The source of the requests.</param>
/// <param name="dispatcher">Serves a request.</param>
/// <param name="turn">Says which thread reads.</param>
/// <param name="placement">Places the thread that reads; null where it runs as the scheduler likes.</param>
/// <param name="commands">Takes the writes while TPMs work on another CPU; null where they never do.</param>
/// <param name="owner">The session.</param>
internal sealed class RequestLoop(
    FuseDevice device, RequestDispatcher dispatcher, ReadingTurn turn, ReaderPlacement? placement,
    CommandThread? commands, IRequestLoopOwner owner)
{
    /// <summary>
    /// The time for which the reading thread is lent for writes before it looks for new requests, and notifies clients
    /// that poll.
    /// </summary>
    private static readonly TimeSpan s_round = TimeSpan.FromMicroseconds(100);

    private readonly WrittenFiles _written = new();
    private readonly RequestReader _reader = new(device);
    private readonly Lender _lender = dispatcher.Lender;

    /// <summary>Gets the sign of life that the threads give between two requests.</summary>
    public Heartbeat Heartbeat { get; } = new();

    /// <summary>Adds a write of an earlier process, for which a thread is to be lent. Before any thread runs.</summary>
    public void Add(WrittenFile file) => _written.Add(file);

    /// <summary>Serves requests on the calling thread, in its turns, until the session has ended.</summary>
    /// <param name="slot">The place for the thread's requests.</param>
    public void Run(RequestSlot slot)
    {
        while (turn.Await())
        {
            ServeWhileHolder(slot);
        }
    }

    /// <summary>Reads and serves requests, until the turn is another thread's or the session has ended.</summary>
    private void ServeWhileHolder(RequestSlot slot)
    {
        dispatcher.SendNotifications(); // of a holder that was overtaken
        while (TryTakeRequest(slot, out int count))
        {
            bool isHolder = count > 0 ? ServeOne(slot, count) : LendNext();
            if (!isHolder)
            {
                return;
            }
        }

        turn.Leave();
    }

    /// <summary>
    /// False when the turn is another thread's afterwards. Apart from the loop, which is compiled once and for all
    /// while it runs.
    /// </summary>
    private bool ServeOne(RequestSlot slot, int count)
    {
        long step = turn.Serve();
        if (placement is not null && WriterOf(slot.Buffer[..count]) is { } client)
        {
            placement.NoteWrite(client);
        }

        WrittenFile? written = dispatcher.Dispatch(slot, count);
        slot.Clear(count);
        owner.Served();
        bool isHolder = turn.TryKeep(step);
        if (written is not { } file)
        {
            return isHolder;
        }

        if (isHolder)
        {
            return AfterWrite(file);
        }

        // The writes that wait are the other thread's by now, which may be at its wait for a request.
        _lender.LendToEnd(file);
        return false;
    }

    /// <summary>
    /// Lends this thread for a write: at once where its file is the only one that is written to, otherwise after all
    /// requests that are there, so that the filesystem knows of all writes that wait. Leaves the write to the thread
    /// for commands while that one is there for it.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool AfterWrite(WrittenFile file)
    {
        bool isSameAgain = _written.IsSameAgain(file);
        placement?.Companions.NoteCommand(mayBeApart: !isSameAgain && !_lender.TakesLong);
        if (commands is not null && commands.TryTake(file))
        {
            return true;
        }

        if (!isSameAgain && !_written.AreSeveral && device.HasRequest())
        {
            _written.NoteSeveral();
        }

        if (!_written.AreSeveral)
        {
            return Lend(file, turn.Serve());
        }

        _written.Add(file);
        return true;
    }

    /// <summary>
    /// Lends this thread for the writes that wait, for a moment, and then wakes the clients that poll, all at once.
    /// Where a write takes long, a thread that takes the turn over wakes them.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool LendNext()
    {
        long start = Stopwatch.GetTimestamp();
        bool isHolder;
        dispatcher.HoldNotifications();
        do
        {
            isHolder = Lend(_written.Take(), turn.Serve());
        }
        while (isHolder && !_written.IsEmpty && Stopwatch.GetElapsedTime(start) < s_round);

        dispatcher.SendNotifications();
        return isHolder;
    }

    /// <summary>
    /// Lends this thread for a write, which may take long. Passes the turn on first where the last writes took long.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool Lend(WrittenFile file, long step)
    {
        bool isPassed = _lender.TakesLong;
        if (isPassed)
        {
            turn.Pass(step);
        }

        FuseLendResult result = _lender.Lend(file);
        bool isHolder = !isPassed && turn.TryKeep(step);
        if (isHolder && result == FuseLendResult.Again)
        {
            _written.Add(file);
        }

        if (!isHolder && result == FuseLendResult.Again)
        {
            _lender.LendToEnd(file);
        }

        return isHolder;
    }

    /// <summary>
    /// Waits for a request. Returns false when the session has ended. Gives a request of no bytes when there is none
    /// now and a write waits for this thread.
    /// </summary>
    private bool TryTakeRequest(RequestSlot slot, out int count)
    {
        count = 0;
        while (!owner.HasEnded)
        {
            bool mayWait = commands is { IsOpen: true } || !_written.AreSeveral;
            Errno error = _reader.Read(slot, _written, mayWait, out count);
            Heartbeat.Pass();
            if (!error.IsError)
            {
                return true;
            }

            // ENOENT: the request was interrupted before it was read. EINTR: perhaps the session has ended.
            if (error != Errno.ENOENT && error != Errno.EINTR)
            {
                owner.Lost(error);
            }
        }

        return false;
    }

    private static uint? WriterOf(ReadOnlySpan<byte> request) =>
        MemoryMarshal.TryRead(request, out FuseInHeader header) && header.Opcode == FuseOpcode.Write
            ? header.Pid : null;
}

/// <summary>The session that a <see cref="RequestLoop"/> serves. Any thread.</summary>
internal interface IRequestLoopOwner
{
    /// <summary>True when no further request is to be read.</summary>
    bool HasEnded { get; }

    /// <summary>Learns that one more thread works for the session. Called by a thread that does.</summary>
    void Enters();

    /// <summary>Learns that a thread that works for the session has left the filesystem for good.</summary>
    void Left();

    /// <summary>Learns that a request was served.</summary>
    void Served();

    /// <summary>Learns that no further request can be read, since the connection is gone or broken.</summary>
    void Lost(Errno error);
}
