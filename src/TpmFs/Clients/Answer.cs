using System.Security.Cryptography;

namespace TpmFs.Clients;

/// <summary>
/// The result of a command until it is read: the response's bytes, or an error. Guarded by its conversation's lock.
/// </summary>
/// <remarks>
/// The buffer returns to the pool when its conversation has dropped the answer and every <see cref="Portion"/> of it is
/// sent: an idle conversation has no buffer. A part that is taken belongs to its portion, which wipes it; parts do not
/// overlap, so sending one needs no lock.
/// </remarks>
internal sealed class Answer(AnswerPool pool)
{
    private KeptBytes? _kept;
    private Memory<byte> _bytes;
    private bool _taken;
    private int _users;

    /// <summary>Gets when it became ready, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long ReadyAt { get; private set; }

    /// <summary>Gets the error that stands for the response, if one does.</summary>
    public Errno Error { get; private set; }

    /// <summary>Gets the number of its bytes; 0 when it is an error.</summary>
    public ulong Number => _kept?.Number ?? 0;

    /// <summary>Gets how many bytes were taken.</summary>
    public int Position { get; private set; }

    /// <summary>True when nothing of it was read yet.</summary>
    public bool Untouched => !_taken;

    /// <summary>Gets how many bytes nobody has read yet.</summary>
    public int UnreadBytes => _bytes.Length - Position;

    /// <summary>True when nothing of it is left.</summary>
    public bool Spent => _taken && Position == _bytes.Length;

    /// <summary>Takes the next bytes, <paramref name="size"/> at the most, or the error.</summary>
    public Portion Take(int size)
    {
        Memory<byte> part = _bytes.Slice(Position, Math.Min(size, UnreadBytes));
        MoveTo(Position + part.Length);
        Interlocked.Increment(ref _users);
        return new Portion(this, Error, part);
    }

    /// <summary>Takes for taken what an earlier daemon gave to a client, up to a position.</summary>
    public void MoveTo(int position)
    {
        _taken = true;
        Position = Math.Clamp(position, Position, _bytes.Length);
    }

    /// <summary>Wipes what nobody took, since TPM traffic holds secrets. Called once, by its conversation.</summary>
    public void Drop()
    {
        CryptographicOperations.ZeroMemory(_bytes.Span[Position..]);
        Release();
    }

    /// <summary>Takes back one use: a portion was sent, or the conversation has dropped the answer.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            pool.Return(this, _kept);
        }
    }

    /// <summary>Starts anew, for another command.</summary>
    /// <param name="response">Null for an error.</param>
    /// <param name="failure">The error.</param>
    /// <param name="readyAt">Since when it is there.</param>
    internal void Become(KeptBytes? response, Errno failure, long readyAt)
    {
        _kept = response;
        _bytes = response?.Bytes ?? default;
        Error = failure;
        ReadyAt = readyAt;
        Position = 0;
        _taken = false;
        _users = 1;
    }
}

/// <summary>
/// The part of an answer that one read gets: bytes, or an error. It is handed over without a lock, since the client may
/// call back at once.
/// </summary>
internal readonly struct Portion(Answer? answer, Errno error, Memory<byte> bytes)
{
    /// <summary>Gets no bytes, as at an end of file.</summary>
    public static Portion Nothing => new(null, Errno.None, default);

    /// <summary>Gets the error that the read ends with, if it does.</summary>
    public Errno Error { get; } = error;

    /// <summary>Gets the bytes; zero once they are sent.</summary>
    public Memory<byte> Bytes { get; } = bytes;

    /// <summary>Returns an error.</summary>
    public static Portion Of(Errno error) => new(null, error, default);

    /// <summary>Wipes the bytes, which the client has now or will never have. Called once.</summary>
    public void Sent()
    {
        CryptographicOperations.ZeroMemory(Bytes.Span);
        answer?.Release();
    }
}
