namespace TpmFs.Fuse.Session;

/// <summary>
/// Holds the reads that are not answered yet, by the kernel's number for them. The thread that takes a read out of the
/// table answers it. So each read is answered once, whichever threads race.
/// </summary>
/// <remarks>
/// A read that is kept goes from the slot of the thread that has read it into a slot of its own, and stays there until
/// it is answered.
/// </remarks>
internal sealed class PendingReads(ReplyChannel channel, SessionRecords records, IFuseLog log) : IFuseReadReplies
{
    /// <summary>
    /// The number of reads answered after an interrupt that are remembered, to tell a lost race from a bug.
    /// </summary>
    private const int RememberedRaces = 64;

    /// <summary>
    /// The number of interrupts of unknown requests that are remembered. Those that matter are of reads that a thread
    /// has taken from the kernel and not begun yet, so they are no more than threads.
    /// </summary>
    private const int RememberedInterrupts = 256;

    /// <summary>Guards every field, and the records; nothing else is called while it is held.</summary>
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, PendingRead> _reads = [];
    private readonly ulong[] _races = new ulong[RememberedRaces];
    private int _nextRace;
    private readonly ulong[] _interrupts = new ulong[RememberedInterrupts];
    private int _nextInterrupt;
    private bool _closed;

    /// <summary>
    /// The read that was answered last, mostly by its handler. Numbers are not used again. Written under the gate.
    /// </summary>
    private ulong _lastAnswered;

    /// <summary>Gets the number of reads that wait.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _reads.Count;
            }
        }
    }

    /// <summary>
    /// A read goes to the filesystem. False when its number is in use, or the session has ended: it must not.
    /// </summary>
    /// <param name="unique">The kernel's number for it.</param>
    /// <param name="size">The most bytes that the kernel takes.</param>
    /// <param name="slot">The place of the request.</param>
    public bool TryBegin(ulong unique, int size, RequestSlot slot)
    {
        lock (_gate)
        {
            bool isInterrupted = _interrupts.AsSpan().Contains(unique);
            return !_closed
                && _reads.TryAdd(unique, new PendingRead(size, slot, Owner: null, Returned: false, isInterrupted));
        }
    }

    /// <summary>Returns true when a read is not answered yet.</summary>
    public bool Has(ulong unique)
    {
        lock (_gate)
        {
            return _reads.ContainsKey(unique);
        }
    }

    /// <summary>
    /// The filesystem's handler has returned: a read that it neither answered nor kept is answered here.
    /// </summary>
    public void HandlerReturned(ulong unique)
    {
        if (Volatile.Read(ref _lastAnswered) == unique)
        {
            return;
        }

        PendingRead read;
        lock (_gate)
        {
            if (!_reads.TryGetValue(unique, out read))
            {
                return;
            }

            if (read.Owner is null)
            {
                _reads.Remove(unique);
            }
            else
            {
                _reads[unique] = read with { Returned = true };
            }
        }

        if (read.Owner is null)
        {
            log.Error($"The filesystem neither answered nor kept read {unique}; it is answered with EIO.", null);
            channel.Reply(unique, Errno.EIO);
        }
        else if (read.Interrupted)
        {
            read.Owner.Interrupted(new FuseReadReply(this, unique));
        }
    }

    /// <summary>
    /// The handler has thrown: the read is answered with EIO unless it has been answered, even when it was kept.
    /// </summary>
    public void HandlerThrew(ulong unique)
    {
        if (TryTake(unique, out PendingRead read))
        {
            channel.Reply(unique, Errno.EIO);
            Done(read);
        }
    }

    /// <summary>
    /// The kernel interrupts a request. One that is no read that is known may be a read that has not begun yet, and is
    /// remembered for then; or it is answered already, or no read.
    /// </summary>
    public void Interrupt(ulong unique)
    {
        PendingRead read;
        lock (_gate)
        {
            if (!_reads.TryGetValue(unique, out read))
            {
                _interrupts[_nextInterrupt] = unique;
                _nextInterrupt = (_nextInterrupt + 1) % RememberedInterrupts;
                return;
            }

            _reads[unique] = read with { Interrupted = true };
        }

        if (read.Returned)
        {
            read.Owner?.Interrupted(new FuseReadReply(this, unique));
        }
    }

    public void Keep(FuseReadReply reply, IFuseInterruptible owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        lock (_gate)
        {
            if (!_reads.TryGetValue(reply.Unique, out PendingRead read))
            {
                return;
            }

            RequestSlot slot = read.Slot;
            if (!slot.IsForRead)
            {
                slot = records.RentForRead();
                slot.CopyRead(read.Slot);
            }

            _reads[reply.Unique] = read with { Owner = owner, Slot = slot };
        }
    }

    public void Note(FuseReadReply reply, in FuseReadNote note)
    {
        lock (_gate)
        {
            if (_reads.TryGetValue(reply.Unique, out PendingRead read))
            {
                read.Slot.Note = note;
            }
        }
    }

    public bool Complete(FuseReadReply reply, ReadOnlySpan<byte> data)
    {
        if (!TryTake(reply.Unique, out PendingRead read))
        {
            return false;
        }

        if (data.Length > read.Size)
        {
            log.Error(
                $"The filesystem answered read {reply.Unique} with {data.Length} bytes where {read.Size} were asked "
                    + "for; it becomes EIO.", null);
            channel.Reply(reply.Unique, Errno.EIO);
            Done(read);
            return false;
        }

        bool isTaken = channel.Reply(reply.Unique, data);
        Done(read);
        return isTaken;
    }

    public void Fail(FuseReadReply reply, Errno error)
    {
        if (TryTake(reply.Unique, out PendingRead read))
        {
            channel.Reply(reply.Unique, error);
            Done(read);
        }
    }

    /// <summary>
    /// Answers the reads that still wait with <paramref name="error"/>: the session has ended. On a connection that is
    /// gone the answers go nowhere. Later answers do nothing.
    /// </summary>
    public void Close(Errno error)
    {
        KeyValuePair<ulong, PendingRead>[] left;
        lock (_gate)
        {
            _closed = true;
            left = [.. _reads];
            _reads.Clear();
        }

        foreach ((ulong unique, PendingRead read) in left)
        {
            channel.Reply(unique, error);
            Done(read);
        }
    }

    /// <summary>
    /// A read is answered. One that is still in the slot of the thread that has read it is that thread's to clear.
    /// </summary>
    private void Done(in PendingRead read)
    {
        if (read.Slot.IsForRead)
        {
            lock (_gate)
            {
                records.Return(read.Slot);
            }
        }
    }

    private bool TryTake(ulong unique, out PendingRead read)
    {
        bool explained;
        lock (_gate)
        {
            if (_reads.Remove(unique, out read))
            {
                Volatile.Write(ref _lastAnswered, unique);
                if (read.Interrupted)
                {
                    _races[_nextRace] = unique;
                    _nextRace = (_nextRace + 1) % RememberedRaces;
                }

                return true;
            }

            explained = _closed || _races.AsSpan().Contains(unique);
        }

        if (!explained)
        {
            log.Error($"The filesystem answered read {unique} twice; the second answer is dropped.", null);
        }

        return false;
    }

    /// <param name="Size">The most bytes the kernel takes.</param>
    /// <param name="Slot">The place of the request.</param>
    /// <param name="Owner">The owner that keeps the read; null while the handler has named none.</param>
    /// <param name="Returned">The handler has returned, so that the owner may be told of an interrupt.</param>
    /// <param name="Interrupted">The kernel has interrupted it.</param>
    private readonly record struct PendingRead(
        int Size, RequestSlot Slot, IFuseInterruptible? Owner, bool Returned, bool Interrupted);
}
