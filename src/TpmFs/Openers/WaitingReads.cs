using TpmFs.Fuse;

namespace TpmFs.Openers;

/// <summary>
/// A read that waits for a response, without a thread. It is settled once, under the opener's lock: by the response, an interrupt or the
/// release, whichever comes first; whoever settles it sends the answer after the lock.
/// </summary>
internal sealed class WaitingRead(Opener opener, FuseReadReply reply, int size) : IFuseInterruptible
{
    private Portion portion;

    public int Size { get; } = size;

    public bool Settled { get; private set; }

    /// <summary>The next in the queue. Owned by <see cref="WaitingReads"/> while this waits, then by whoever settled it.</summary>
    public WaitingRead? Next { get; set; }

    public void Settle(Portion answer)
    {
        Settled = true;
        portion = answer;
    }

    public void Interrupted(FuseReadReply interrupted) => opener.Interrupt(this);

    /// <summary>Answers this read and those that were settled with it.</summary>
    public void Send()
    {
        for (var read = this; read is not null; read = read.Next)
        {
            read.portion.SendTo(read.Reply);
        }
    }

    private FuseReadReply Reply { get; } = reply;
}

/// <summary>The reads of one opener that wait, oldest first. Guarded by the opener's lock.</summary>
internal struct WaitingReads
{
    private WaitingRead? first;
    private WaitingRead? last;

    public void Add(WaitingRead read)
    {
        if (last is null)
        {
            first = read;
        }
        else
        {
            last.Next = read;
        }

        last = read;
    }

    public void Remove(WaitingRead read)
    {
        WaitingRead? before = null;
        for (var at = first; at is not null; before = at, at = at.Next)
        {
            if (at != read)
            {
                continue;
            }

            if (before is null)
            {
                first = read.Next;
            }
            else
            {
                before.Next = read.Next;
            }

            last = last == read ? before : last;
            read.Next = null;
            return;
        }
    }

    /// <summary>Empties the queue; what comes back is its head.</summary>
    public WaitingRead? TakeAll()
    {
        var head = first;
        first = last = null;
        return head;
    }
}
