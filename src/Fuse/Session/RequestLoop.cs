using System.Diagnostics;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Placement;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Reads a session's requests and serves them, on whichever of the session's threads has the turn.
/// </summary>
/// <param name="device">Where requests come from.</param>
/// <param name="dispatcher">Serves a request.</param>
/// <param name="turn">Says which thread reads.</param>
/// <param name="placement">Places the thread that reads; null where it runs as the scheduler likes.</param>
/// <param name="owner">The session.</param>
internal sealed class RequestLoop(
    FuseDevice device, RequestDispatcher dispatcher, ReadingTurn turn, ReaderPlacement? placement,
    IRequestLoopOwner owner)
{
    /// <summary>
    /// How long the reading thread carries writes on before it looks for new requests, and tells who polls.
    /// </summary>
    private static readonly TimeSpan s_round = TimeSpan.FromMicroseconds(100);

    private readonly WrittenFiles _written = new();
    private readonly RequestReader _reader = new(device);
    private readonly LongWrites _long = new();

    /// <summary>Gets the sign of life that the threads give between two requests.</summary>
    public Heartbeat Heartbeat { get; } = new();

    /// <summary>Adds a write of an earlier process that is to be carried on. Before any thread runs.</summary>
    public void CarryOn(WrittenFile file) => _written.Add(file);

    /// <summary>Serves requests on the calling thread, in its turns, until the session has ended.</summary>
    /// <param name="slot">Where the thread's requests are.</param>
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
        CarryToEnd(file);
        return false;
    }

    /// <summary>
    /// Carries a write on at once where its file is the only one that is written to, and otherwise after all requests
    /// that are there, so that the filesystem knows of all that wait.
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
    /// Carries writes on for a moment, and then wakes those who poll, all at once. Where a write takes long, a thread
    /// that takes the turn over wakes them.
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
    /// Lends this thread for what a write began, which may take long. The turn is passed on before where the last ones
    /// did.
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
        WriteProgress progress = dispatcher.Lend(file);
        if (progress != WriteProgress.Nothing)
        {
            _long.Note(Stopwatch.GetElapsedTime(start));
        }

        bool isHolder = !isPassed && turn.TryKeep(step);
        if (isHolder && progress == WriteProgress.Again)
        {
            _written.Add(file);
        }

        if (!isHolder && progress == WriteProgress.Again)
        {
            CarryToEnd(file);
        }

        return isHolder;
    }

    private void CarryToEnd(WrittenFile file)
    {
        while (dispatcher.Lend(file) == WriteProgress.Again)
        {
            // until it is done
        }
    }

    /// <summary>
    /// Waits for a request. False when the session has ended. No request, of no bytes, when there is none now and a
    /// write is to be carried on.
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
