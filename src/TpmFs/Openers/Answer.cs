using System.Security.Cryptography;
using TpmFs.Fuse;

namespace TpmFs.Openers;

/// <summary>
/// What a command came to, until it is read: the response's bytes, or an error. Guarded by its opener's lock.
/// </summary>
/// <remarks>
/// It is the pool's again when its opener has dropped it and every <see cref="Portion"/> of it is sent: an idle opener
/// has none. A part that is taken belongs to its portion, which wipes it; parts do not overlap, so sending one needs no
/// lock.
/// </remarks>
internal sealed class Answer(AnswerPool pool)
{
    private byte[] _bytes = [];
    private int _length;
    private Errno _error;
    private int _position;
    private bool _taken;
    private int _users;

    /// <summary>When it became ready, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long ReadyAt { get; private set; }

    /// <summary>Nothing of it was read yet.</summary>
    public bool Untouched => !_taken;

    /// <summary>The bytes that nobody has read yet.</summary>
    public int Unread => _length - _position;

    /// <summary>Nothing of it is left.</summary>
    public bool Spent => _taken && _position == _length;

    /// <summary>Takes the next bytes, <paramref name="size"/> at the most, or the error.</summary>
    public Portion Take(int size)
    {
        _taken = true;
        int start = _position;
        int count = Math.Min(size, _length - start);
        _position += count;
        Interlocked.Increment(ref _users);
        return new Portion(this, _error, new ArraySegment<byte>(_bytes, start, count));
    }

    /// <summary>The opener is done with it: wipes what nobody took, since TPM traffic holds secrets.</summary>
    public void Drop()
    {
        CryptographicOperations.ZeroMemory(_bytes.AsSpan(_position, _length - _position));
        Release();
    }

    /// <summary>A portion was sent, or the opener has dropped it.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            pool.Return(this);
        }
    }

    /// <summary>Starts anew, as its opener's.</summary>
    internal void Become(ReadOnlySpan<byte> response, Errno failure, long readyAt)
    {
        if (_bytes.Length < response.Length)
        {
            _bytes = new byte[response.Length];
        }

        response.CopyTo(_bytes);
        _length = response.Length;
        _error = failure;
        ReadyAt = readyAt;
        _position = 0;
        _taken = false;
        _users = 1;
    }
}

/// <summary>
/// What one read gets. Sent once, without a lock, since the one who answers a read may be called back.
/// </summary>
internal readonly struct Portion(Answer? answer, Errno error, ArraySegment<byte> bytes)
{
    /// <summary>Zero once they are sent.</summary>
    public ArraySegment<byte> Bytes { get; } = bytes;

    /// <summary>Zero bytes, as at an end of file.</summary>
    public static Portion Nothing => new(null, Errno.None, []);

    public static Portion Of(Errno error) => new(null, error, []);

    /// <summary>
    /// Answers a read and wipes. When the kernel no longer waits, its connection is gone, and nobody is left to read.
    /// </summary>
    public void SendTo(FuseReadReply reply)
    {
        if (error.IsError)
        {
            reply.Fail(error);
        }
        else
        {
            reply.Complete(Bytes);
            CryptographicOperations.ZeroMemory(Bytes);
        }

        answer?.Release();
    }
}
