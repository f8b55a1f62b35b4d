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
/// <param name="owner">The session.</param>
internal sealed class RequestLoop(
    FuseDevice device, RequestDispatcher dispatcher, ReadingTurn turn, ReaderPlacement? placement,
    IRequestLoopOwner owner)
{
    /// <summary>
    /// The time for which the reading thread is lent for writes before it looks for new requests, and notifies clients
    /// that poll.
    /// </summary>
    private static readonly TimeSpan s_round = TimeSpan.FromMicroseconds(100);

    private readonly WrittenFiles _written = new();
    private readonly RequestReader _reader = new(device);
    private readonly LongWrites _long = new();

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
        placement?.Note(Caller(slot.Buffer[..count]));
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
        LendToEnd(file);
        return false;
    }

    /// <summary>
    /// Lends this thread for a write: at once where its file is the only one that is written to, otherwise after all
    /// requests that are there, so that the filesystem knows of all writes that wait.
    /// </summary>
    /// <returns>False when the turn is another thread's afterwards.</returns>
    private bool AfterWrite(WrittenFile file)
    {
        if (!_written.IsSameAgain(file) && !_written.AreSeveral && device.HasRequest())
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
        bool isPassed = _long.AreExpected;
        if (isPassed)
        {
            turn.Pass(step);
        }

        long start = Stopwatch.GetTimestamp();
        FuseLendResult result = dispatcher.Lend(file);
        if (result != FuseLendResult.Nothing)
        {
            _long.Note(Stopwatch.GetElapsedTime(start));
        }

        bool isHolder = !isPassed && turn.TryKeep(step);
        if (isHolder && result == FuseLendResult.Again)
        {
            _written.Add(file);
        }

        if (!isHolder && result == FuseLendResult.Again)
        {
            LendToEnd(file);
        }

        return isHolder;
    }

    private void LendToEnd(WrittenFile file)
    {
        while (dispatcher.Lend(file) == FuseLendResult.Again)
        {
            // until it is done
        }
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
            Errno error = _reader.Read(slot, _written, out count);
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

    private static uint Caller(ReadOnlySpan<byte> request) =>
        MemoryMarshal.TryRead(request, out FuseInHeader header) ? header.Pid : 0;
}

/// <summary>The session that a <see cref="RequestLoop"/> serves. Any thread.</summary>
internal interface IRequestLoopOwner
{
    /// <summary>True when no further request is to be read.</summary>
    bool HasEnded { get; }

    /// <summary>Learns that a request was served.</summary>
    void Served();

    /// <summary>Learns that no further request can be read, since the connection is gone or broken.</summary>
    void Lost(Errno error);
}
