using Tmds.DBus.Protocol;
using TpmFs.Policy;

namespace TpmFs.Doors.DBus;

/// <summary>
/// Sends messages to the bus no faster than the bus reads them, so that the socket always has room: the library that
/// writes them gives the whole connection up when there is none for a message with a descriptor. Callers whose messages
/// wait take turns, so that a caller waits for one message of each other caller. Any thread.
/// </summary>
/// <param name="probe">
/// Sends a message to the bus itself, and ends with its answer. By then the bus has read all that was sent before.
/// </param>
/// <param name="clock">The clock; null for the system's.</param>
internal sealed class BusOutbox(Func<Task> probe, TimeProvider? clock = null)
{
    /// <summary>
    /// The most messages under way that the bus has not read. A socket has room for 100 at the least, by the kernel's
    /// default for net.core.wmem_default.
    /// </summary>
    public const int Most = 32;

    /// <summary>
    /// The time after which the bus is asked again. While more waits for the daemon than the bus keeps for it
    /// (max_outgoing_bytes in dbus-daemon(1)), the bus drops its own answers, and says so to nobody.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private readonly Lock _gate = new(); // Guards all that follows.
    private readonly TurnQueue<string, TaskCompletionSource> _turns = new();
    private int _granted; // may be sent, and are not yet
    private int _unread; // are sent, and the bus may not have read them
    private bool _isProbing;
    private bool _isLost;

    /// <summary>Sends one message when it is its caller's turn.</summary>
    /// <typeparam name="T">The result of sending.</typeparam>
    /// <param name="caller">
    /// The one who takes turns with others: the caller whose call the message answers, by its unique name, or that
    /// caller's user, by its number.
    /// </param>
    /// <param name="send">Sends one message, and does not wait.</param>
    /// <returns>The result of <paramref name="send"/>.</returns>
    /// <exception cref="OperationCanceledException">The bus was lost before it was the caller's turn.</exception>
    public async Task<T> SendAsync<T>(string caller, Func<T> send)
    {
        await TurnOf(caller).ConfigureAwait(false);
        try
        {
            return send();
        }
        finally
        {
            Sent();
        }
    }

    /// <summary>Sends one message if it need not wait for its turn.</summary>
    /// <param name="send">Sends one message, and does not wait.</param>
    /// <returns>False when nothing was sent.</returns>
    public bool TrySend(Action send)
    {
        lock (_gate)
        {
            if (_isLost || _turns.Any || !TryGrant())
            {
                return false;
            }
        }

        try
        {
            send();
        }
        finally
        {
            Sent();
        }

        return true;
    }

    private Task TurnOf(string caller)
    {
        lock (_gate)
        {
            if (_isLost)
            {
                return Task.FromCanceled(new CancellationToken(canceled: true));
            }

            if (!_turns.Any && TryGrant())
            {
                return Task.CompletedTask;
            }

            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _turns.Add(caller, turn);
            return turn.Task;
        }
    }

    private void Sent()
    {
        lock (_gate)
        {
            _granted--;
            _unread++;
            if (_isProbing || _unread < Most / 2)
            {
                return;
            }

            _isProbing = true;
        }

        _ = ProbeAsync();
    }

    /// <summary>Finds out that the bus has read the messages sent so far, and lets as many more be sent.</summary>
    private async Task ProbeAsync()
    {
        int unread;
        do
        {
            lock (_gate)
            {
                unread = _unread;
            }

            try
            {
                await probe().WaitAsync(Patience, _clock).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                unread = 0; // The answer may be lost. So the next one tells of these messages.
            }
            catch (Exception lost) when (lost is DBusConnectionException or DBusMessageException)
            {
                GiveUp();
                return;
            }
        }
        while (!Read(unread));
    }

    /// <summary>Records that the bus has read so many messages.</summary>
    /// <returns>False when it has enough more to read that it is to be asked again.</returns>
    private bool Read(int count)
    {
        lock (_gate)
        {
            _unread -= count;
            while (_turns.Any && TryGrant() && _turns.TryTake(out TaskCompletionSource? next))
            {
                next.SetResult();
            }

            _isProbing = _unread >= Most / 2;
            return !_isProbing;
        }
    }

    /// <summary>Records that the bus is lost, and ends all waits for a turn.</summary>
    private void GiveUp()
    {
        lock (_gate)
        {
            _isLost = true;
            while (_turns.TryTake(out TaskCompletionSource? next))
            {
                next.SetCanceled();
            }
        }
    }

    // From here on: under the lock.

    private bool TryGrant()
    {
        bool hasRoom = _granted + _unread < Most;
        _granted += hasRoom ? 1 : 0;
        return hasRoom;
    }
}
