using TpmFs.Mirror;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Reads the ledger that the last manager wrote to a store. The bytes may be hostile: one record that does not fit
/// makes the whole ledger unreadable.
/// </summary>
internal sealed class LedgerReader
{
    private readonly RecordStore _store;
    private readonly TimeProvider _time;
    private readonly TpmLedger _ledger;
    private readonly ILookup<RecordKind, StoredRecord> _records;
    private readonly Dictionary<(RecordKind Kind, ulong Id), StoredRecord> _contexts = [];
    private bool _isDamaged;

    private LedgerReader(RecordStore store, TimeProvider time)
    {
        (_store, _time) = (store, time);
        _ledger = new TpmLedger(time, store);
        _records = store.Records.ToLookup(stored => (RecordKind)stored.Kind);
    }

    /// <summary>
    /// Makes a ledger: the one that the last manager wrote, or an empty one where there was no manager.
    /// </summary>
    /// <param name="problem">
    /// The reason why the ledger cannot be read: a sentence whose subject "it" is the store.
    /// </param>
    public static bool TryRead(RecordStore store, TimeProvider time, out TpmLedger ledger, out string problem)
    {
        var reader = new LedgerReader(store, time);
        ledger = reader._ledger;
        problem = "";
        if (!reader._records[RecordKind.State].Any())
        {
            ledger.Begin(store);
            return true;
        }

        reader.All();
        problem = reader._isDamaged ? "it is damaged" : "";
        return !reader._isDamaged;
    }

    private void All()
    {
        if (!IsOne(RecordKind.State, out StoredRecord state) || !IsOne(RecordKind.Profile, out StoredRecord profile)
            || !TryFindExchanges())
        {
            _isDamaged = true;
            return;
        }

        _ledger.Mirror.GoOnFrom(_store.Records.Max(stored => stored.Id));
        _ledger.GoOn(state, profile);
        Read(profile, _ledger.Profile.Restore);
        Each(RecordKind.Group, Group);
        Each(RecordKind.Space, Space);
        Contexts();
        Each(RecordKind.Object, Object);
        Sessions();
        Read(state, _ledger.RestoreState);
        Answer();
        Check(_ledger.Objects.Residents.DistinctBy(resident => resident.Resident).Count()
            == _ledger.Objects.Residents.Count);
        Check(_contexts.Count == 0);
    }

    private bool IsOne(RecordKind kind, out StoredRecord found)
    {
        found = _records[kind].FirstOrDefault();
        return _records[kind].Count() == 1;
    }

    private bool TryFindExchanges()
    {
        if (!IsOne(RecordKind.ClientExchange, out StoredRecord client)
            || !IsOne(RecordKind.OwnExchange, out StoredRecord own))
        {
            return false;
        }

        (RecordArea clients, RecordArea owns) = (RecordArea.Adopt(_store, client), RecordArea.Adopt(_store, own));
        _ledger.Mirror.SetExchanges(clients, owns);
        return clients.Memory.Length == ExchangeRecord.Length && owns.Memory.Length == ExchangeRecord.Length;
    }

    private void Answer()
    {
        if (IsOne(RecordKind.Answer, out StoredRecord stored))
        {
            _ledger.Answer.Adopt(_ledger.Mirror, stored);
            Read(stored, _ledger.Answer.Restore);
        }
        else
        {
            _ledger.Answer.Enter(_ledger.Mirror);
        }
    }

    private void Group(ref RecordReader reader, StoredRecord stored)
    {
        var group = GroupRecord.Read(ref reader);
        group.Adopt(_ledger.Mirror, stored);
        reader.Check(_ledger.Groups.TryRestore(group));
    }

    private void Space(ref RecordReader reader, StoredRecord stored)
    {
        var id = new SpaceId(reader.Int64());
        SpaceRecord space = _ledger.NewSpace(id, Owner(ref reader), reader.Bool());
        var next = new VirtualHandle(reader.UInt32());
        space.GoOnFrom(next);
        space.Adopt(_ledger.Mirror, stored);
        _ledger.GoOnFrom(id);
        reader.Check(next.IsValid && _ledger.Spaces.TryRestore(space));
    }

    private void Object(ref RecordReader reader, StoredRecord stored)
    {
        var held = TransientObject.Read(ref reader);
        held.Adopt(_ledger.Mirror, stored);
        if (_contexts.Remove((RecordKind.ObjectContext, stored.Id), out StoredRecord context))
        {
            held.RestoreContext(context, _store.Read(context.Place));
        }

        SpaceRecord? space = _ledger.Spaces.Find(held.Space);
        if (reader.Check(held.Name.IsValid && space is not null && space.TryRestore(held.Name, held)))
        {
            _ledger.Objects.Restore(held);
        }
    }

    private void Sessions()
    {
        List<Session> sessions = [];
        Each(RecordKind.Session, (ref RecordReader reader, StoredRecord stored) =>
        {
            var session = Session.Read(ref reader, Owner);
            session.Adopt(_ledger.Mirror, stored);
            if (_contexts.Remove((RecordKind.SessionContext, stored.Id), out StoredRecord context))
            {
                session.RestoreContext(context, _store.Read(context.Place));
            }

            if (_contexts.Remove((RecordKind.SessionToken, stored.Id), out StoredRecord token))
            {
                session.RestoreToken(token, _store.Read(token.Place));
            }

            bool isOpen = session.Opener is null || _ledger.Spaces.Find(session.Opener) is not null;
            reader.Check(session.Handle.IsSession && isOpen);
            sessions.Add(session);
        });
        foreach (Session session in sessions.OrderBy(session => session.IsLoaded ? 0 : session.Sequence)
            .ThenBy(session => session.LastUse))
        {
            Check(_ledger.Sessions.TryRestore(session));
        }
    }

    /// <summary>Reads an owner. A session that is to be flushed may be of a group that has ended.</summary>
    private SpaceOwner Owner(ref RecordReader reader)
    {
        long id = reader.Int64();
        SchedulingGroup group =
            _ledger.Groups.Find(id) ?? new SchedulingGroup(new GroupId(id), "", new SpaceLimits());
        return new SpaceOwner(group, reader.UInt32(), reader.Byte()) { Payer = reader.UInt32() };
    }

    private void Contexts()
    {
        RecordKind[] kinds = [RecordKind.ObjectContext, RecordKind.SessionContext, RecordKind.SessionToken];
        foreach (StoredRecord stored in kinds.SelectMany(kind => _records[kind]))
        {
            Check(_contexts.TryAdd(((RecordKind)stored.Kind, stored.Id), stored));
        }
    }

    private void Each(RecordKind kind, ReadRecord read)
    {
        foreach (StoredRecord stored in _records[kind])
        {
            Read(stored, (ref RecordReader reader) => read(ref reader, stored));
        }
    }

    private void Read(StoredRecord stored, ReadFields read)
    {
        var reader = new RecordReader(_store.Read(stored.Place), _time);
        read(ref reader);
        Check(reader.IsWhole);
    }

    private void Check(bool fits) => _isDamaged |= !fits;

    private delegate void ReadFields(ref RecordReader reader);

    private delegate void ReadRecord(ref RecordReader reader, StoredRecord stored);
}
