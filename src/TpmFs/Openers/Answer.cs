using System.Security.Cryptography;
using TpmFs.Fuse;

namespace TpmFs.Openers;

/// <summary>What a command came to, until it is read: the response's bytes, or an error. Guarded by its opener's lock.</summary>
/// <remarks>
/// The buffer is as long as the response and lives as long as it: an idle opener has none. A part that is taken belongs to its
/// <see cref="Portion"/>, which wipes it; parts do not overlap, so sending one needs no lock.
/// </remarks>
internal sealed class Answer
{
    private readonly byte[] bytes;
    private readonly Errno error;
    private int position;
    private bool taken;

    private Answer(byte[] bytes, Errno error, long readyAt)
    {
        this.bytes = bytes;
        this.error = error;
        ReadyAt = readyAt;
    }

    /// <summary>When it became ready, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long ReadyAt { get; }

    /// <summary>Nothing of it was read yet.</summary>
    public bool Untouched => !taken;

    /// <summary>Nothing of it is left.</summary>
    public bool Spent => taken && position == bytes.Length;

    public static Answer Of(ReadOnlySpan<byte> response, long readyAt) => new(response.ToArray(), Errno.None, readyAt);

    public static Answer Of(Errno error, long readyAt) => new([], error, readyAt);

    /// <summary>Takes the next bytes, <paramref name="size"/> at the most, or the error.</summary>
    public Portion Take(int size)
    {
        taken = true;
        var start = position;
        var count = Math.Min(size, bytes.Length - start);
        position += count;
        return error.IsError ? Portion.Of(error) : new Portion(new ArraySegment<byte>(bytes, start, count));
    }

    /// <summary>Wipes what nobody took: TPM traffic holds secrets.</summary>
    public void Wipe() => CryptographicOperations.ZeroMemory(bytes.AsSpan(position));
}

/// <summary>What one read gets. Sent without a lock, since the one who answers a read may be called back.</summary>
internal readonly struct Portion
{
    private readonly Errno error;

    public Portion(ArraySegment<byte> bytes) => Bytes = bytes;

    private Portion(Errno error)
    {
        this.error = error;
        Bytes = [];
    }

    /// <summary>Zero once they are sent.</summary>
    public ArraySegment<byte> Bytes { get; }

    /// <summary>Zero bytes, as at an end of file.</summary>
    public static Portion Nothing => new([]);

    public static Portion Of(Errno error) => new(error);

    /// <summary>Answers a read and wipes. When the kernel no longer waits, its connection is gone, and nobody is left to read.</summary>
    public void SendTo(FuseReadReply reply)
    {
        if (error.IsError)
        {
            reply.Fail(error);
            return;
        }

        reply.Complete(Bytes);
        CryptographicOperations.ZeroMemory(Bytes);
    }
}
