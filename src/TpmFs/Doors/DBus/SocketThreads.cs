using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using Serilog;
using TpmFs.Clients;
using TpmFs.Logs;

namespace TpmFs.Doors.DBus;

/// <summary>
/// The connections, and the threads that serve all of them: while one thread is lent to the TPM, another serves the
/// other connections. Any thread.
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

    /// <summary>
    /// The bytes, about, that a socket keeps for a client that does not read: more than the longest answer.
    /// </summary>
    private const int MaxUnread = 16 * 1024;

    /// <summary>The epoll number of <see cref="_stop"/>. Connections count from 1.</summary>
    private const uint StopNumber = 0;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<uint, ClientSocket> _open = new();
    private readonly Thread[] _threads;
    private readonly Epoll _epoll;
    private readonly SafeFileHandle _stop;
    private readonly SafeFileHandle _stopper; // its end is what stops the threads
    private readonly ILogger _log;
    private uint _last;
    private volatile bool _isStopping;

    private SocketThreads(Epoll epoll, SafeFileHandle stop, SafeFileHandle stopper, ILogger log)
    {
        (_epoll, _stop, _stopper, _log) = (epoll, stop, stopper, log);
        _threads = [.. Enumerable.Range(0, Count)
            .Select(i => new Thread(Serve) { Name = $"dbus {i}", IsBackground = true })];
        Array.ForEach(_threads, thread => thread.Start());
    }

    /// <summary>Gets the number of connections.</summary>
    public int OpenCount => _open.Count;

    /// <summary>Starts the threads.</summary>
    /// <returns>The reason why the threads cannot start, mostly that no descriptor is left; empty on success.</returns>
    public static Errno Start(ILogger log, out SocketThreads? threads)
    {
        threads = null;
        Errno error = Epoll.Create(out Epoll epoll);
        if (error.IsError || (error = SocketCalls.Pair(out SafeFileHandle stop, out SafeFileHandle stopper)).IsError
            || (error = epoll.Add(stop, StopNumber, FileChanges.None)).IsError)
        {
            epoll.Dispose();
            return error;
        }

        threads = new SocketThreads(epoll, stop, stopper, log);
        return Errno.None;
    }

    /// <summary>Makes a connection for a conversation.</summary>
    /// <param name="conversation">Closed with the connection, or at once when there is none to be had.</param>
    /// <param name="owner">Says who may cancel commands, and set the locality.</param>
    /// <param name="made">The connection.</param>
    /// <param name="theirs">The client's end, for the caller to close.</param>
    /// <returns>ENODEV when the threads stop; else the error of the call that made no socket.</returns>
    public Errno TryConnect(
        Conversation conversation, BusCaller owner, out ClientSocket? made, out SafeFileHandle theirs)
    {
        made = null;
        Errno error = SocketCalls.Pair(out SafeFileHandle ours, out theirs);
        if (error.IsError || (error = _open.Count < MaxOpen ? Errno.None : Errno.EBUSY).IsError
            || (error = SocketCalls.SetBlocking(ours, blocking: false)).IsError
            || (error = SocketCalls.LimitUnread(ours, MaxUnread)).IsError
            || (error = SocketCalls.ShowOutOfBand(ours)).IsError)
        {
            ours.Dispose();
            conversation.Close();
            return error;
        }

        _ = SocketCalls.RefuseDescriptors(ours); // where the kernel cannot, the connection ends by them
        do
        {
            made = new ClientSocket(
                NextNumber(), ours, conversation, owner, _epoll, gone => _open.TryRemove(gone.Number, out _));
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
        while (true)
        {
            if (_epoll.Wait(out ulong number, out FileChanges changes).IsError)
            {
                continue; // EINTR
            }

            if (number == StopNumber)
            {
                _epoll.Modify(_stop, StopNumber, FileChanges.None); // tells the next thread
                return;
            }

            Serve(Find((uint)number), changes);
        }
    }

    private void Serve(ClientSocket? client, FileChanges changes)
    {
        try
        {
            client?.Advance(changes);
        }
        catch (Exception bug)
        {
            _log.Of(EventType.Fault).Error(
                bug, "connection {Number} of D-Bus is closed: this is a fault of tpmfs, which goes on", client!.Number);
            client.Close();
        }
    }
}
