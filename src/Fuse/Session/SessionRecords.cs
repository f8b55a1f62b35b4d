using TpmFs.Fuse.Wire;
using TpmFs.Mirror;

namespace TpmFs.Fuse.Session;

/// <summary>
/// Writes down what the next process that serves the connection needs: the settings that were agreed when it began, the
/// requests under way, and the reads that wait. One thread at a time.
/// </summary>
internal sealed class SessionRecords
{
    private const int KeptReads = 256;

    private readonly RecordStore? _store;
    private readonly uint _connection;
    private readonly Stack<RequestSlot> _free = new();
    private RecordPlace _settled;
    private RequestSlot[] _slots = [];
    private ulong _lastRead;

    /// <param name="store">Null where no process is to go on with the session.</param>
    /// <param name="connection">Tells the session from others of the same store.</param>
    public SessionRecords(RecordStore? store, uint connection)
    {
        _store = store;
        _connection = connection;
        foreach (StoredRecord record in store?.Records ?? [])
        {
            if (record.Id >> 32 == connection)
            {
                Adopt(store!, record);
            }
        }

        // The kernel numbers its requests upwards, so that the oldest read is the first again.
        Waiting.Sort((one, other) => Unique(one).CompareTo(Unique(other)));
    }

    private enum Kind : byte
    {
        Settled = 1,
        Request = 2,
        WaitingRead = 3,
    }

    /// <summary>Gets the answer to the connection's first request; empty when it was not answered.</summary>
    public byte[] Settled { get; private set; } = [];

    /// <summary>True when nothing is left to do for the connection's first request.</summary>
    public bool IsSettled => Settled.Length > 0 && !Requests.Exists(slot =>
        FuseRequest.OpcodeOf(slot.Request) is FuseOpcode.Init or FuseOpcode.CuseInit && !slot.TryGetAnswer(out _));

    /// <summary>True when an earlier process has left something.</summary>
    public bool AreLeft => Settled.Length > 0 || Requests.Count > 0;

    /// <summary>Gets the slots of an earlier process's threads.</summary>
    public List<RequestSlot> Requests { get; } = [];

    /// <summary>Gets the reads that waited in an earlier process, the oldest first.</summary>
    public List<RequestSlot> Waiting { get; } = [];

    /// <summary>Writes down what the first request settled.</summary>
    public void Settle(ReadOnlySpan<byte> answer) => _store?.PutNow(ref _settled, (byte)Kind.Settled, IdOf(0), answer);

    /// <summary>Returns a slot for each of so many threads; those of an earlier process end.</summary>
    /// <param name="room">For one request, in bytes.</param>
    public RequestSlot[] SlotsFor(int threads, int room)
    {
        var slots = new RequestSlot[threads];
        for (int i = 0; i < threads; i++)
        {
            bool isThere = i < Requests.Count && Requests[i].Buffer.Length == room;
            slots[i] = isThere ? Requests[i] : new RequestSlot(
                RecordArea.Reserve(_store, (byte)Kind.Request, IdOf((uint)i), RequestSlot.LengthFor(room)), room);
            slots[i].Touch();
        }

        foreach (RequestSlot old in Requests.Except(slots))
        {
            old.Remove();
        }

        Requests.Clear();
        return _slots = slots;
    }

    /// <summary>Returns a slot for a read that waits.</summary>
    public RequestSlot RentForRead() => _free.TryPop(out RequestSlot? free) ? free : new RequestSlot(
        RecordArea.Reserve(_store, (byte)Kind.WaitingRead, IdOf((uint)++_lastRead), RequestSlot.LengthForRead()),
        RequestSlot.RoomForRead());

    /// <summary>Takes back the slot of a read that is answered.</summary>
    public void Return(RequestSlot read)
    {
        if (_free.Count == KeptReads)
        {
            read.Remove();
            return;
        }

        read.Clear();
        _free.Push(read);
    }

    /// <summary>
    /// Removes all records: no process is to go on with the session. No thread serves it, and no read waits.
    /// </summary>
    public void Forget()
    {
        Array.ForEach(_slots, slot => slot.Remove());
        while (_free.TryPop(out RequestSlot? free))
        {
            free.Remove();
        }

        _store?.RemoveNow(ref _settled);
    }

    /// <summary>Removes what earlier processes have written down of sessions that nobody goes on with.</summary>
    /// <param name="store">The place of the records.</param>
    /// <param name="goOn">Returns true of the sessions that go on.</param>
    /// <returns>The highest number of a session: a new one has to have a higher one.</returns>
    public static uint ForgetOthers(RecordStore store, Func<uint, bool> goOn)
    {
        uint highest = 0;
        foreach (StoredRecord record in store.Records.Where(record => Enum.IsDefined((Kind)record.Kind)))
        {
            uint connection = (uint)(record.Id >> 32);
            highest = Math.Max(highest, connection);
            if (!goOn(connection))
            {
                RecordArea.Adopt(store, record).Remove();
            }
        }

        return highest;
    }

    private static ulong Unique(RequestSlot slot) => FuseRequest.UniqueOf(slot.Request);

    private void Adopt(RecordStore store, StoredRecord record)
    {
        int length = store.Read(record.Place).Length;
        switch ((Kind)record.Kind)
        {
            case Kind.Settled:
                _settled = record.Place;
                Settled = store.Read(record.Place).ToArray();
                break;
            case Kind.Request when length > RequestSlot.LengthFor(RequestSlot.RoomForRead()):
                Requests.Add(new RequestSlot(
                    RecordArea.Adopt(store, record), length - RequestSlot.LengthFor(room: 0)));
                break;
            case Kind.WaitingRead when length == RequestSlot.LengthForRead():
                var read = new RequestSlot(RecordArea.Adopt(store, record), RequestSlot.RoomForRead());
                if (read.Length > 0)
                {
                    Waiting.Add(read);
                }
                else
                {
                    Return(read);
                }

                break;
        }
    }

    private ulong IdOf(uint number) => ((ulong)_connection << 32) | number;
}
