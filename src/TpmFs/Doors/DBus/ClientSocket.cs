using Microsoft.Win32.SafeHandles;
using TpmFs.Clients;
using TpmFs.Rm;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Doors.DBus;

/// <summary>
/// One connection: takes commands from a client's socket, one at a time, and sends their answers. While a command is
/// under way, or the client does not read its answer, the connection reads nothing from the socket. So a client that
/// sends much or reads nothing fills its own socket, and no other memory.
/// </summary>
/// <remarks>
/// The lock guards all fields. A thread that holds it may take the conversation's lock, never the other way round. It
/// is not held while a thread is lent, nor while the conversation is closed.
/// </remarks>
internal sealed class ClientSocket : IConversationDoor
{
    private readonly Lock _gate = new();
    private readonly MeteredSocket _socket;
    private readonly Conversation _conversation;
    private readonly Epoll _epoll;
    private readonly Action<ClientSocket> _closed;
    private readonly CommandStream _commands = new();
    private UnsentAnswer _unsent;
    private bool _isBusy; // a command is under way, or its answer is not sent to its end
    private bool _mayReceive; // an event told of bytes, and they are not all received
    private bool _watchesRoom; // events tell when the socket has room, too
    private bool _isClosed;

    /// <param name="number">The number of the connection, for events and for calls on the bus.</param>
    /// <param name="socket">The daemon's end, which never waits. Closed with this.</param>
    /// <param name="conversation">A conversation that has just begun. Closed with this.</param>
    /// <param name="owner">Says who may cancel commands, and set the locality.</param>
    /// <param name="epoll">Watches the socket.</param>
    /// <param name="closed">Called once, when the connection is closed.</param>
    public ClientSocket(
        uint number, SafeFileHandle socket, Conversation conversation, BusCaller owner, Epoll epoll,
        Action<ClientSocket> closed)
    {
        Number = number;
        Owner = owner;
        _socket = new MeteredSocket(socket);
        _conversation = conversation;
        _epoll = epoll;
        _closed = closed;
    }

    public uint Number { get; }

    public BusCaller Owner { get; }

    public ConversationIdentity Identity => _conversation.Identity;

    public int WaitingReads => 0;

    /// <summary>Begins to serve the client.</summary>
    public Errno Start()
    {
        _conversation.Attach(this);
        Errno error = _epoll.Add(_socket.Handle, Number, FileChanges.Readable | FileChanges.Ended);
        Changed(); // the conversation may have been revoked meanwhile
        return error;
    }

    /// <summary>Reacts to a change of the socket. The thread may be lent to the TPM meanwhile.</summary>
    public void Advance(FileChanges changes)
    {
        bool isHandedIn = false;
        bool isOver = (changes & FileChanges.Gone) != 0;
        lock (_gate)
        {
            if (!isOver && !_isClosed)
            {
                _mayReceive |= (changes & (FileChanges.Readable | FileChanges.Ended)) != 0;
                isOver = !TrySend() || !TryHandIn(lends: true, out isHandedIn);
            }
        }

        if (isOver)
        {
            Close();
        }
        else if (isHandedIn)
        {
            while (_conversation.Lend() == LendResult.Again)
            {
            }
        }
    }

    /// <summary>Sends an answer that is there, and closes the connection when the conversation has ended.</summary>
    public void Changed()
    {
        bool isOver;
        lock (_gate)
        {
            isOver = !_isClosed && (_conversation.State == ConversationState.Ended || !TrySendAnswer());
        }

        if (isOver)
        {
            Close();
        }
    }

    /// <summary>
    /// Gives up the command under way. A command that is still in the socket counts as under way: the client sent it
    /// before it asked.
    /// </summary>
    /// <returns>False when there is none.</returns>
    public bool TryCancel()
    {
        bool isOver = false;
        bool isRunning;
        lock (_gate)
        {
            if (!_isClosed && !_isBusy)
            {
                _mayReceive = true;
                isOver = !TryHandIn(lends: false, out _);
            }

            isRunning = !_isClosed && !isOver && _conversation.State == ConversationState.Running;
        }

        if (isOver)
        {
            Close();
        }
        else if (isRunning)
        {
            _conversation.Cancel();
        }

        return isRunning;
    }

    /// <summary>Sets the locality of the commands that are read from now on.</summary>
    public void SetLocality(byte locality) => _conversation.Locality = locality;

    /// <summary>
    /// Ends the connection and its conversation. A connection that brought descriptors keeps its opener's place, since
    /// its socket stays open. Idempotent.
    /// </summary>
    public void Close()
    {
        bool isClean;
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            _commands.Clear();
            _unsent.Drop();
            isClean = SocketCalls.TryClose(_socket.Handle);
        }

        if (!isClean)
        {
            _conversation.Expel("the client sent descriptors over its connection, and closing these may wait");
            return;
        }

        if (_socket.IsTooCostly)
        {
            _conversation.Expel("the client registered its connection with epoll(7) or poll(2) too many times");
        }

        _conversation.Close();
        _closed(this);
    }

    // From here on: under the lock. False means that the connection is to be closed.

    private bool HasInput => _mayReceive || _commands.HasBytes;

    /// <summary>Reads the next command, if none is under way, and hands it in.</summary>
    private bool TryHandIn(bool lends, out bool isHandedIn)
    {
        isHandedIn = false;
        if (_isBusy || !HasInput)
        {
            return true;
        }

        if (!TryWatch(room: false))
        {
            return false;
        }

        StreamState state = _commands.Receive(_socket, out ReadOnlySpan<byte> command);
        _mayReceive = !_commands.IsDrained;
        if (_socket.IsTooCostly)
        {
            return false;
        }

        if (state != StreamState.Command)
        {
            return state == StreamState.Waiting;
        }

        _isBusy = true;
        Errno refused = _conversation.Write(command, lends);
        if (_isClosed)
        {
            return true; // by the answer, which came on this thread
        }

        _commands.DropCommand();
        isHandedIn = !refused.IsError;
        return isHandedIn || (refused == Errno.E2BIG && TryRefuse(TpmRc.CommandSize.FromResourceManager));
    }

    private bool TrySendAnswer()
    {
        if (!_isBusy || _unsent.Any || !_conversation.TryTake(int.MaxValue, out Portion answer))
        {
            return true;
        }

        if (answer.Error.IsError)
        {
            return TryRefuse(new TpmRc(TssCode.IoError));
        }

        return TrySendWhole(answer);
    }

    /// <summary>Answers a command in the place of the TPM.</summary>
    private bool TryRefuse(TpmRc code)
    {
        byte[] response = new byte[TpmResponse.HeaderOnly];
        TpmResponse.Write(response, code);
        return TrySendWhole(new Portion(null, Errno.None, response));
    }

    /// <summary>
    /// Sends an answer. If the client has sent its next command already, an event of the socket tells of it, so that
    /// other clients have their turn first.
    /// </summary>
    private bool TrySendWhole(Portion answer)
    {
        _unsent = UnsentAnswer.Of(answer);
        return TrySend() && (_isBusy || !HasInput || TryWatch(room: true));
    }

    /// <summary>Sends what the socket takes of an answer; the rest when the client has read.</summary>
    private bool TrySend()
    {
        if (!_unsent.Any)
        {
            return true;
        }

        Errno error = _unsent.Send(_socket);
        _isBusy = error.IsError;
        return !_socket.IsTooCostly && (!error.IsError || (error == Errno.EAGAIN && TryWatch(room: true)));
    }

    /// <summary>
    /// Sets whether an event tells that the socket has room. The event comes at once when there is room already. Does
    /// not ask epoll for a state that it watches already, since that would also report at once any bytes that can be
    /// read.
    /// </summary>
    private bool TryWatch(bool room)
    {
        if (room == _watchesRoom)
        {
            return true;
        }

        _watchesRoom = room;
        FileChanges more = room ? FileChanges.Writable : FileChanges.None;
        return !_epoll.Modify(_socket.Handle, Number, FileChanges.Readable | FileChanges.Ended | more).IsError;
    }
}
