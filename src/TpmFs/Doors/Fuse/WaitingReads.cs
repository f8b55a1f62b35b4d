using TpmFs.Clients;
using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// A read that waits for a response, without a thread; then its answer, which the thread that settled the read sends
/// without the lock.
/// </summary>
internal sealed class WaitingRead
{
    public FuseReadReply Reply { get; set; }

    public int Size { get; set; }

    /// <summary>Gets or sets the number of the answer that the read waits for.</summary>
    public ulong Turn { get; set; }

    /// <summary>Gets or sets the part of the answer that the read gets, once it is settled.</summary>
    public Portion Portion { get; set; }

    /// <summary>
    /// The next read in the queue. Owned by <see cref="WaitingReads"/> while this one waits, then by the thread that
    /// settled it.
    /// </summary>
    public WaitingRead? Next { get; set; }

    /// <summary>
    /// Answers one read. Does not care for a failure: when the kernel no longer waits, its connection is gone, and no
    /// client is left to read.
    /// </summary>
    public static void Answer(FuseReadReply reply, Portion portion)
    {
        if (portion.Error.IsError)
        {
            reply.Fail(portion.Error);
        }
        else
        {
            reply.Complete(portion.Bytes.Span);
        }

        portion.Sent();
    }
}

/// <summary>Writes down the bytes that a read gets, with the read's request.</summary>
internal readonly struct ReadNotes(FuseReadReply reply) : IReadNotes
{
    public void Note(in TakenPart part) =>
        reply.Note(new FuseReadNote(part.Turn, part.Source, part.Start, part.Count));
}

/// <summary>
/// The reads of one file that wait, oldest first. Guarded by the file's lock, but for <see cref="Send"/>.
/// </summary>
internal struct WaitingReads
{
    /// <summary>
    /// The most reads of one file that may wait. A client needs one; without a bound, many threads of one client, or
    /// asynchronous reads, would take any amount of the daemon's memory.
    /// </summary>
    public const int Most = 256;

    private WaitingRead? _first;
    private WaitingRead? _last;

    /// <summary>
    /// A waiting read that is not in use, kept so that a file on which a client waits again and again allocates no
    /// other.
    /// </summary>
    private WaitingRead? _spare;

    /// <summary>Gets the number of reads that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Gets the read that has waited for the longest time; null when none waits.</summary>
    public readonly WaitingRead? First => _first;

    /// <summary>Adds a read.</summary>
    /// <returns>False when <see cref="Most"/> reads wait already.</returns>
    public bool TryAdd(FuseReadReply reply, int size, ulong turn)
    {
        if (Count == Most)
        {
            return false;
        }

        Count++;
        WaitingRead read = Interlocked.Exchange(ref _spare, null) ?? new WaitingRead();
        (read.Reply, read.Size, read.Turn) = (reply, size, turn);
        if (_last is null)
        {
            _first = read;
        }
        else
        {
            _last.Next = read;
        }

        _last = read;
        return true;
    }

    /// <summary>Takes a read out of the queue.</summary>
    /// <returns>False when it does not wait.</returns>
    public bool Remove(FuseReadReply reply)
    {
        WaitingRead? before = null;
        for (WaitingRead? at = _first; at is not null; before = at, at = at.Next)
        {
            if (at.Reply != reply)
            {
                continue;
            }

            if (before is null)
            {
                _first = at.Next;
            }
            else
            {
                before.Next = at.Next;
            }

            _last = _last == at ? before : _last;
            Count--;
            return true;
        }

        return false;
    }

    /// <summary>Empties the queue.</summary>
    /// <returns>The oldest read, from which the others follow.</returns>
    public WaitingRead? TakeAll()
    {
        WaitingRead? head = _first;
        _first = _last = null;
        Count = 0;
        return head;
    }

    /// <summary>Answers reads that were settled.</summary>
    public void Send(WaitingRead? settled)
    {
        for (WaitingRead? read = settled; read is not null; read = read.Next)
        {
            WaitingRead.Answer(read.Reply, read.Portion);
        }

        if (settled is not null)
        {
            (settled.Reply, settled.Portion, settled.Next) = (default, default, null);
            Volatile.Write(ref _spare, settled);
        }
    }
}
