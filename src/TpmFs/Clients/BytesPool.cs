using TpmFs.Records;

namespace TpmFs.Clients;

/// <summary>Memory for commands and answers that is not in use, so that a command makes none. Any thread.</summary>
internal sealed class BytesPool
{
    /// <summary>The most buffers that are kept for reuse.</summary>
    private const int Kept = 64;

    /// <summary>
    /// The least room, in bytes: for nearly all commands and answers. The kernel gives pages only to what is written
    /// to.
    /// </summary>
    private const int LeastRoom = 4096;

    private readonly RecordStore? _store;
    private readonly Lock _gate = new();
    private readonly Stack<KeptBytes> _free = new(Kept);
    private readonly Dictionary<ulong, KeptBytes> _left = [];
    private ulong _last;

    /// <param name="store">Null where no daemon is to go on.</param>
    public BytesPool(RecordStore? store)
    {
        _store = store;
        foreach (StoredRecord record in store.Of(RecordKind.Bytes))
        {
            _last = Math.Max(_last, record.Id);
            if (store!.Read(record.Place).Length >= KeptBytes.LengthFor(LeastRoom))
            {
                _left[record.Id] = new KeptBytes(RecordArea.Adopt(store, record), record.Id);
            }
        }
    }

    /// <summary>Returns memory with room for so many bytes.</summary>
    public KeptBytes Rent(int room)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out KeptBytes? free) || free.Room < room)
            {
                free?.Remove();
                free = New(Math.Max(room, LeastRoom));
            }

            return free;
        }
    }

    /// <summary>Wipes memory, and takes it back.</summary>
    public void Return(KeptBytes unused)
    {
        unused.Wipe();
        lock (_gate)
        {
            if (_free.Count < Kept)
            {
                _free.Push(unused);
                return;
            }
        }

        unused.Remove();
    }

    /// <summary>Finds bytes that an earlier daemon left, and that nobody has claimed.</summary>
    /// <param name="number">The number of the bytes.</param>
    /// <param name="conversation">The conversation that owns the bytes.</param>
    /// <param name="turn">The number of the command that they belong to.</param>
    /// <param name="claims">True when the caller returns them.</param>
    public KeptBytes? Find(ulong number, ulong conversation, ulong turn, bool claims)
    {
        lock (_gate)
        {
            if (!_left.TryGetValue(number, out KeptBytes? left) || !left.AreOf(conversation, turn))
            {
                return null;
            }

            if (claims)
            {
                _claimed.Add(number);
            }

            return left;
        }
    }

    /// <summary>Wipes what an earlier daemon left and nobody has claimed.</summary>
    public void ReturnUnclaimed()
    {
        KeyValuePair<ulong, KeptBytes>[] left;
        lock (_gate)
        {
            left = [.. _left.Where(entry => !_claimed.Contains(entry.Key))];
            _left.Clear();
            _claimed.Clear();
        }

        foreach ((_, KeptBytes unclaimed) in left)
        {
            Return(unclaimed);
        }
    }

    private readonly HashSet<ulong> _claimed = [];

    private KeptBytes New(int room)
    {
        ulong number = ++_last;
        return new KeptBytes(
            RecordArea.Reserve(_store, (byte)RecordKind.Bytes, number, KeptBytes.LengthFor(room)), number);
    }
}
