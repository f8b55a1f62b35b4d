using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using Serilog;
using TpmFs.Clients;
using TpmFs.Logs;
using TpmFs.Policy;

namespace TpmFs.Doors.DBus;

/// <summary>
/// The connections, and the threads that serve all of them: while one thread is lent to the TPM, another serves the
/// other connections. Users take turns, whatever the number of their connections. Any thread.
/// </summary>
internal sealed class SocketThreads : IDisposable
{
    /// <summary>
    /// The number of threads. One may be lent to a command that takes long; the other serves meanwhile.
    /// </summary>
    private const int Count = 2;

    /// <summary>
    /// The most connections, of all users: each costs a descriptor, and the daemon needs some for itself.
    /// </summary>
    private const int MaxOpen = 16 * 1024;

    /// <summary>The connections that root has in any case.</summary>
    private const int RootsReserve = 64;

    /// <summary>
    /// The bytes, about, that a socket keeps for a client that does not read: more than the longest answer.
    /// </summary>
    private const int MaxUnread = 16 * 1024;

    /// <summary>
    /// The most events that a thread takes before it serves a connection. It serves one between two times that it
    /// takes events, so all that is ready is soon noted.
    /// </summary>
    private const int EventsAtOnce = 256;

    /// <summary>The epoll number of <see cref="_stop"/>. Connections count from 1.</summary>
    private const uint StopNumber = 0;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<uint, ClientSocket> _open = new();
    private readonly TreeShares<string> _shares;
    private readonly Lock _gate = new(); // guards the connections that are ready, and the number of idle threads
    private readonly ReadyConnections _ready = new();
    private int _idle; // threads that wait, or are about to
    private readonly Thread[] _threads;
    private readonly Epoll _epoll;
    private readonly SafeFileHandle _stop;
    private readonly SafeFileHandle _stopper; // its end is what stops the threads
    private readonly ILogger _log;
    private uint _last;
    private volatile bool _isStopping;

    private SocketThreads(Epoll epoll, SafeFileHandle stop, SafeFileHandle stopper, int maxOpen, ILogger log)
    {
        (_epoll, _stop, _stopper, _log) = (epoll, stop, stopper, log);
        _shares = new TreeShares<string>(maxOpen, RootsReserve);
        _threads = [.. Enumerable.Range(0, Count)
            .Select(i => new Thread(Serve) { Name = $"dbus {i}", IsBackground = true })];
        Array.ForEach(_threads, thread => thread.Start());
    }

    /// <summary>Gets the number of connections.</summary>
    public int OpenCount => _open.Count;

    /// <summary>Starts the threads.</summary>
    /// <param name="log">Learns of faults.</param>
    /// <param name="threads">The threads; null where they cannot start.</param>
    /// <param name="maxOpen">The most connections, of all users.</param>
    /// <returns>The reason why the threads cannot start, mostly that no descriptor is left; empty on success.</returns>
    public static Errno Start(ILogger log, out SocketThreads? threads, int maxOpen = MaxOpen)
    {
        threads = null;
        Errno error = Epoll.Create(out Epoll epoll);
        if (error.IsError || (error = SocketCalls.Pair(out SafeFileHandle stop, out SafeFileHandle stopper)).IsError
            || (error = epoll.Add(stop, StopNumber, FileChanges.None)).IsError)
        {
            epoll.Dispose();
            return error;
        }

        threads = new SocketThreads(epoll, stop, stopper, maxOpen, log);
        return Errno.None;
    }

    /// <summary>Makes a connection for a conversation.</summary>
    /// <param name="conversation">Closed with the connection, or at once when there is none to be had.</param>
    /// <param name="owner">Says who may cancel commands, and set the locality.</param>
    /// <param name="made">The connection.</param>
    /// <param name="theirs">The client's end, for the caller to close.</param>
    /// <returns>
    /// ENFILE when the user's share of the connections, or the domain's, is used up; ENODEV when the threads stop; else
    /// the error of the call that made no socket.
    /// </returns>
    public Errno TryConnect(
        Conversation conversation, BusCaller owner, out ClientSocket? made, out SafeFileHandle theirs)
    {
        made = null;
        (string? domain, Client client) = (conversation.Identity.Account, conversation.Identity.Client);
        Errno error = SocketCalls.Pair(out SafeFileHandle ours, out theirs);
        if (error.IsError || (error = SocketCalls.SetBlocking(ours, blocking: false)).IsError
            || (error = SocketCalls.LimitUnread(ours, MaxUnread)).IsError
            || (error = SocketCalls.ShowOutOfBand(ours)).IsError
            || (error = _shares.TryTake(domain, client.Payer, isAdministrator: client.Uid == 0)
                ? Errno.None : SpaceErrno.TooManyOpeners).IsError)
        {
            ours.Dispose();
            conversation.Close();
            return error;
        }

        _ = SocketCalls.RefuseDescriptors(ours); // where the kernel cannot, the connection ends by them
        do
        {
            made = new ClientSocket(
                NextNumber(), ours, conversation, owner, _epoll, gone =>
                {
                    _open.TryRemove(gone.Number, out _);
                    _shares.Return(domain, client.Payer);
                });
        }
        while (!_open.TryAdd(made.Number, made));

        error = _isStopping ? SpaceErrno.Gone : made.Start();
        if (error.IsError || _isStopping)
        {
            made.Close();
        }

        return error;
    }

    /// <summary>Returns the connection with a number; null when there is none.</summary>
    public ClientSocket? Find(uint number) => _open.GetValueOrDefault(number);

    /// <summary>Makes no more connections, and closes all. Their commands are cancelled. Idempotent.</summary>
    public void Stop()
    {
        _isStopping = true;
        foreach (ClientSocket open in _open.Values)
        {
            open.Close();
        }
    }

    /// <summary>Stops, and ends the threads, except one that is lent for a command that does not end.</summary>
    public void Dispose()
    {
        Stop();
        _stopper.Dispose();
        if (_threads.All(thread => thread.Join(s_patience)))
        {
            _stop.Dispose();
            _epoll.Dispose();
        }
    }

    private uint NextNumber()
    {
        uint number = Interlocked.Increment(ref _last);
        return number == StopNumber ? Interlocked.Increment(ref _last) : number;
    }

    private void Serve()
    {
        var events = new FileEvent[EventsAtOnce];
        while (TryTake(events, out ClientSocket? client, out FileChanges changes))
        {
            Serve(client, changes);
        }

        _epoll.Modify(_stop, StopNumber, FileChanges.None); // tells the next thread
    }

    /// <summary>Waits for a connection whose turn it is.</summary>
    /// <param name="events">Room for events.</param>
    /// <param name="client">The connection.</param>
    /// <param name="changes">All its changes.</param>
    /// <returns>False when the threads are to end.</returns>
    private bool TryTake(
        FileEvent[] events, [NotNullWhen(true)] out ClientSocket? client, out FileChanges changes)
    {
        while (true)
        {
            bool waits;
            lock (_gate)
            {
                waits = !_ready.Any;
                _idle += waits ? 1 : 0;
            }

            // Everybody who is ready is noted before anybody is served. An error is EINTR.
            _ = _epoll.Take(events, waits, out int count);
            bool isOver;
            bool isTaken;
            bool leavesWork;
            lock (_gate)
            {
                _idle -= waits ? 1 : 0;
                isOver = Note(events.AsSpan(0, count));
                isTaken = _ready.TryTake(out client, out changes);
                leavesWork = _ready.Any && _idle > 0;
            }

            if (leavesWork)
            {
                // The socket always has room, so this wakes a thread that waits. This thread may be lent in a moment.
                _epoll.Modify(_stop, StopNumber, FileChanges.Writable);
            }

            if (isOver || isTaken)
            {
                return !isOver && client is not null;
            }
        }
    }

    /// <summary>Notes which connections are ready.</summary>
    /// <returns>True when the threads are to end.</returns>
    private bool Note(ReadOnlySpan<FileEvent> events)
    {
        bool isOver = false;
        foreach (FileEvent each in events)
        {
            if (each.Number == StopNumber)
            {
                isOver |= (each.Changes & FileChanges.Gone) != 0;
            }
            else if (Find((uint)each.Number) is { } changed)
            {
                _ready.Add(changed, each.Changes);
            }
        }

        return isOver;
    }

    private void Serve(ClientSocket client, FileChanges changes)
    {
        try
        {
            client.Advance(changes);
        }
        catch (Exception bug)
        {
            _log.Of(EventType.Fault).Error(
                bug, "connection {Number} of D-Bus is closed: this is a fault of tpmfs, which goes on", client.Number);
            client.Close();
        }
    }
}
