using System.Security.Cryptography;

namespace TpmFs.Clients;

/// <summary>
/// What a command came to, until it is read: the response's bytes, or an error. Guarded by its conversation's lock.
/// </summary>
/// <remarks>
/// It is the pool's again when its conversation has dropped it and every <see cref="Portion"/> of it is sent: an idle
/// conversation has none. A part that is taken belongs to its portion, which wipes it; parts do not overlap, so sending
/// one needs no lock.
/// </remarks>
internal sealed class Answer(AnswerPool pool)
{
    private byte[] _bytes = [];
    private int _length;
    private Errno _error;
    private int _position;
    private bool _taken;
    private int _users;

    /// <summary>Gets when it became ready, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long ReadyAt { get; private set; }

    /// <summary>True when nothing of it was read yet.</summary>
    public bool Untouched => !_taken;

    /// <summary>Gets how many bytes nobody has read yet.</summary>
    public int UnreadBytes => _length - _position;

    /// <summary>True when nothing of it is left.</summary>
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

    /// <summary>Wipes what nobody took, since TPM traffic holds secrets. Called once, by its conversation.</summary>
    public void Drop()
    {
        CryptographicOperations.ZeroMemory(_bytes.AsSpan(_position, _length - _position));
        Release();
    }

    /// <summary>Takes back one use: a portion was sent, or the conversation has dropped the answer.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            pool.Return(this);
        }
    }

    /// <summary>Starts anew, for another command.</summary>
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
/// What one read gets: bytes, or an error. It is handed over without a lock, since the client may call back at once.
/// </summary>
internal readonly struct Portion(Answer? answer, Errno error, ArraySegment<byte> bytes)
{
    /// <summary>Gets no bytes, as at an end of file.</summary>
    public static Portion Nothing => new(null, Errno.None, ArraySegment<byte>.Empty);

    /// <summary>Gets the error that the read ends with, if it does.</summary>
    public Errno Error { get; } = error;

    /// <summary>Gets the bytes; zero once they are sent.</summary>
    public ArraySegment<byte> Bytes { get; } = bytes;

    /// <summary>Returns an error.</summary>
    public static Portion Of(Errno error) => new(null, error, ArraySegment<byte>.Empty);

    /// <summary>Wipes the bytes, which the client has now or will never have. Called once.</summary>
    public void Sent()
    {
        CryptographicOperations.ZeroMemory(Bytes);
        answer?.Release();
    }
}
