using TpmFs.Clients;
using TpmFs.Doors.Fuse;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>A door for a client in the same process: the least that a door has to do.</summary>
internal sealed class MemoryDoor : IConversationDoor, IClientDoor
{
    private readonly Conversation _conversation;
    private readonly Queue<MemoryRead> _waiting = [];
    private readonly Lock _gate = new();

    public MemoryDoor(Conversation conversation)
    {
        _conversation = conversation;
        conversation.Attach(this);
    }

    public int WaitingReads => _waiting.Count(read => !read.IsAnswered);

    public int? Woken => null;

    public Readiness Ready => _conversation.State switch
    {
        ConversationState.Unread => Readiness.Readable,
        ConversationState.Ended => Readiness.Ended,
        _ => Readiness.Writable,
    };

    public Errno Write(byte[] data) => _conversation.Write(data, lends: false);

    public IClientRead Read(int size, bool blocks)
    {
        var read = new MemoryRead(size);
        lock (_gate)
        {
            Settle();
            if (_conversation.TryTake(size, out Portion portion))
            {
                read.Answer(portion);
            }
            else if (blocks)
            {
                _waiting.Enqueue(read);
            }
            else
            {
                read.Answer(Portion.Of(Errno.EAGAIN));
            }
        }

        return read;
    }

    public void Poll(Readiness wanted)
    {
    }

    public void Close() => _conversation.Close();

    public void Changed()
    {
        lock (_gate)
        {
            Settle();
        }
    }

    private void Settle()
    {
        while (_waiting.TryPeek(out MemoryRead? read))
        {
            if (!read.IsAnswered)
            {
                if (!_conversation.TryTake(read.Size, out Portion portion))
                {
                    return;
                }

                read.Answer(portion);
            }

            _waiting.Dequeue();
        }
    }

    private sealed class MemoryRead(int size) : IClientRead
    {
        public int Size => size;

        public bool IsAnswered { get; private set; }

        public (byte[] Data, Errno Error) Result { get; private set; }

        public void Answer(Portion portion)
        {
            Result = (portion.Bytes.ToArray(), portion.Error);
            IsAnswered = true;
            portion.Sent();
        }

        public void Interrupt()
        {
            if (!IsAnswered)
            {
                Answer(Portion.Of(Errno.EINTR));
            }
        }
    }
}
