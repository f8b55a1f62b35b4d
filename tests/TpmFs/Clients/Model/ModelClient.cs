using TpmFs.Clients;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>The state that a client's conversation should have at this moment, in the simplest words.</summary>
internal sealed class ModelClient(uint uid, bool isRaw, TimeProvider time)
{
    private const int MostWaiting = 256;
    private static readonly TimeSpan s_lifetime = TimeSpan.FromSeconds(120);

    private readonly List<ModelRead> _waiting = [];
    private byte[] _rest = [];
    private Errno _error;
    private bool _isTouched;
    private long _readyAt;

    public uint Uid => uid;

    public bool IsRaw => isRaw;

    public ConversationState State { get; private set; }

    /// <summary>The client is gone; till then it has its place in the domain.</summary>
    public bool IsClosed { get; private set; }

    public byte[] Command { get; private set; } = [];

    public bool IsCancelled { get; private set; }

    public int Waiting => _waiting.Count;

    public int UnreadBytes => State == ConversationState.Unread ? _rest.Length : 0;

    public Readiness Ready => State switch
    {
        ConversationState.Unread => Readiness.Readable,
        ConversationState.Ended => Readiness.Ended,
        _ => Readiness.Writable,
    };

    public Errno Write(byte[] data, bool isWhole, int maxSize)
    {
        Errno refused = data.Length > maxSize ? Errno.E2BIG
            : State == ConversationState.Ended ? Errno.ENODEV
            : State == ConversationState.Running || (State == ConversationState.Unread && !_isTouched) ? Errno.EBUSY
            : isWhole ? Errno.None
            : Errno.EINVAL;
        if (!refused.IsError)
        {
            (State, Command, IsCancelled) = (ConversationState.Running, data, false);
        }

        return refused;
    }

    public void Read(ModelRead read, bool blocks)
    {
        if (State != ConversationState.Running)
        {
            Take(read);
        }
        else if (!blocks || _waiting.Count == MostWaiting)
        {
            read.Result = ([], blocks ? Errno.EBUSY : Errno.EAGAIN);
        }
        else
        {
            _waiting.Add(read);
        }
    }

    /// <summary>Interrupts a read that waits; null when none does.</summary>
    public ModelRead? Interrupt(int which)
    {
        if (_waiting.Count == 0)
        {
            return null;
        }

        ModelRead read = _waiting[which % _waiting.Count];
        _waiting.Remove(read);
        read.Result = ([], Errno.EINTR);
        return read;
    }

    public void Cancel() => IsCancelled |= State == ConversationState.Running;

    /// <summary>The TPM answers at some moment; null for a failure.</summary>
    public void Answer(byte[]? response, long at)
    {
        if (State == ConversationState.Running)
        {
            (_rest, _error) = (response ?? [], response is null ? Errno.EIO : Errno.None);
            (_isTouched, _readyAt) = (false, at);
            State = ConversationState.Unread;
            SettleWaiting();
        }
    }

    public void TimePasses()
    {
        if (State == ConversationState.Unread && time.GetElapsedTime(_readyAt) >= s_lifetime)
        {
            State = ConversationState.Idle;
        }
    }

    public void End()
    {
        State = ConversationState.Ended;
        SettleWaiting();
    }

    public void Close()
    {
        End();
        IsClosed = true;
    }

    private void SettleWaiting()
    {
        _waiting.ForEach(Take);
        _waiting.Clear();
    }

    private void Take(ModelRead read)
    {
        if (State != ConversationState.Unread)
        {
            read.Result = ([], State == ConversationState.Ended ? Errno.ENODEV : Errno.None);
            return;
        }

        int count = Math.Min(read.Size, _rest.Length);
        read.Result = (_rest[..count], _error);
        _rest = _rest[count..];
        _isTouched = true;
        State = _rest.Length == 0 ? ConversationState.Idle : ConversationState.Unread;
    }
}

/// <summary>A read, and what it should have got by now.</summary>
internal sealed class ModelRead(int size)
{
    public int Size => size;

    /// <summary>Null while it waits.</summary>
    public (byte[] Data, Errno Error)? Result { get; set; }
}
