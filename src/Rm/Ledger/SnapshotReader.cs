using System.Text;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>Finds the group that a snapshot names.</summary>
/// <param name="id">The group's identity.</param>
/// <param name="name">The group's name, for messages.</param>
/// <returns>Null when there is no such group any more.</returns>
public delegate SchedulingGroup? FindGroup(GroupId id, string name);

/// <summary>
/// Reads what <see cref="SnapshotWriter"/> wrote. The bytes may be hostile: one value that does not fit makes the whole
/// snapshot unreadable. After the first such value every value reads as zero, and every list as empty.
/// </summary>
internal ref struct SnapshotReader
{
    private readonly TimeProvider _time;
    private readonly FindGroup _find;
    private readonly TpmLedger _ledger;
    private readonly Dictionary<long, SchedulingGroup> _groups = [];
    private readonly List<SchedulingGroup> _gone = [];
    private TpmReader _bytes;
    private bool _isDamaged;

    private SnapshotReader(ReadOnlySpan<byte> bytes, TimeProvider time, FindGroup find)
    {
        _bytes = new TpmReader(bytes);
        _time = time;
        _find = find;
        _ledger = new TpmLedger(time);
    }

    /// <summary>Reads a snapshot.</summary>
    /// <param name="find">Called for every group. What belonged to a group that is gone is doomed.</param>
    /// <param name="ledger">What the last manager held.</param>
    /// <param name="profile">What the last manager knew of the TPM.</param>
    /// <param name="problem">Why the snapshot cannot be read.</param>
    public static bool TryRead(
        ReadOnlySpan<byte> bytes, TimeProvider time, FindGroup find, out TpmLedger ledger, out ProfileState profile,
        out string problem)
    {
        var reader = new SnapshotReader(bytes, time, find);
        ledger = reader._ledger;
        profile = new ProfileState([], [], null);
        if (reader.UInt64() != SnapshotWriter.Magic)
        {
            problem = "it is not a snapshot of a resource manager";
            return false;
        }

        uint version = reader.UInt32();
        if (version != SnapshotWriter.Version)
        {
            problem = $"it has format {version}, but this program reads format {SnapshotWriter.Version}";
            return false;
        }

        profile = reader.All();
        problem = reader._isDamaged ? "it is damaged" : "";
        return !reader._isDamaged;
    }

    private ProfileState All()
    {
        long lastSpace = Int64();
        _ledger.RestoreIds(lastSpace, Int64());
        Counts();
        Slots(_ledger.ObjectSlots);
        Slots(_ledger.SessionSlots);
        ProfileState profile = Profile();
        Groups();
        List<TransientObject> residents = Spaces();
        long uses = Int64();
        _ledger.Objects.Restore(residents, DoomedObjects(), uses);
        Check(residents.DistinctBy(resident => resident.Resident).Count() == residents.Count);
        Sessions();
        Check(_bytes.Remaining.IsEmpty);
        LoseGone();
        return profile;
    }

    private void Counts()
    {
        bool areKnown = Bool();
        (uint resets, uint restarts, long lastSure) = (UInt32(), UInt32(), Time());
        if (areKnown)
        {
            _ledger.Counts.Learn(resets, restarts, lastSure);
        }
    }

    private void Slots(SlotCount slots)
    {
        int first = (int)Math.Min(UInt32(), int.MaxValue);
        slots.Restore(first, (int)Math.Min(UInt32(), int.MaxValue));
    }

    private ProfileState Profile()
    {
        uint[] commands = Numbers();
        var properties = new (uint Property, uint Value)[Count(2 * sizeof(uint))];
        for (int i = 0; i < properties.Length; i++)
        {
            properties[i] = (UInt32(), UInt32());
        }

        return new ProfileState(commands, properties, Bool() ? Numbers() : null);
    }

    private void Groups()
    {
        for (int left = Count(sizeof(long) + sizeof(ushort)); left > 0; left--)
        {
            var id = new GroupId(Int64());
            string name = Encoding.UTF8.GetString(Bytes());
            SchedulingGroup? found = _isDamaged ? null : _find(id, name);
            if (found is null)
            {
                found = new SchedulingGroup(id, name, new SpaceLimits());
                _gone.Add(found);
            }

            Check(_groups.TryAdd(id.Value, found));
        }
    }

    private List<TransientObject> Spaces()
    {
        var residents = new List<TransientObject>();
        for (int left = Count(sizeof(long)); left > 0; left--)
        {
            var id = new SpaceId(Int64());
            var space = new SpaceRecord(id, Owner(), isRaw: Bool(), _ledger.Spaces.Objects);
            var next = new VirtualHandle(UInt32());
            Check(next.IsValid && _ledger.Spaces.Find(id) is null);
            _ledger.Spaces.Enter(space);
            for (int objects = Count(sizeof(uint)); objects > 0; objects--)
            {
                var handle = new VirtualHandle(UInt32());
                var held = new TransientObject(Object());
                if (Check(handle.IsValid && !space.Objects.ContainsKey(handle)))
                {
                    space.Restore(handle, held);
                    residents.AddRange(held.Resident is null ? [] : [held]);
                }
            }

            space.GoOnFrom(next);
        }

        return residents;
    }

    private ObjectState Object() => new()
    {
        Resident = Bool() ? new TpmHandle(UInt32()) : null,
        Entered = Time(),
        Context = Bool() ? Bytes().ToArray() : null,
        Hierarchy = Bool() ? UInt32() : null,
        IsSequence = Bool(),
        IsStClear = Bool(),
        LastUse = Int64(),
        Interval = Int64(),
    };

    private TpmHandle[] DoomedObjects() => [.. Numbers().Select(value => new TpmHandle(value))];

    private void Sessions()
    {
        ulong counter = UInt64();
        Session[] named = SessionList();
        Session[] doomed = SessionList();
        IEnumerable<uint> indexes = named.Concat(doomed).Select(session => session.Handle.Index);
        if (Check(indexes.Distinct().Count() == named.Length + doomed.Length)
            && Check(named.All(session => session.IsLoaded || session.Sequence <= counter)))
        {
            _ledger.Sessions.Restore(named, doomed, counter);
        }

        if (Bool())
        {
            bool isKnown = _ledger.Sessions.TryFind(
                new TpmHandle(((uint)TpmHt.HmacSession << 24) | UInt32()), out Session exclusive);
            _ledger.Sessions.SetExclusive(Check(isKnown) ? exclusive : null);
        }
    }

    private Session[] SessionList()
    {
        var sessions = new Session[Count(sizeof(uint))];
        for (int i = 0; i < sessions.Length; i++)
        {
            var handle = new TpmHandle(UInt32());
            SpaceOwner owner = Owner();
            SpaceId? opener = Bool() ? new SpaceId(Int64()) : null;
            byte[]? token = Bool() ? Bytes().ToArray() : null;
            byte[]? context = Bool() ? Bytes().ToArray() : null;
            sessions[i] = new Session(handle, owner, new SessionState(opener, token, context, UInt64(), Time()));
            Check(handle.IsSession && (opener is null || _ledger.Spaces.Find(opener) is not null));
        }

        return sessions;
    }

    private SpaceOwner Owner()
    {
        bool isKnown = _groups.TryGetValue(Int64(), out SchedulingGroup? group);
        Check(isKnown);
        group ??= new SchedulingGroup(default, "", new SpaceLimits());
        return new SpaceOwner(group, UInt32(), Byte()) { Payer = UInt32() };
    }

    /// <summary>Dooms what belonged to groups that are gone.</summary>
    private readonly void LoseGone()
    {
        foreach (SchedulingGroup group in _gone)
        {
            foreach (SpaceRecord space in _ledger.Spaces.All.Where(space => space.Owner.Group.Equals(group)).ToArray())
            {
                _ledger.LetGo(space);
            }

            _ledger.Sessions.LoseGroup(group);
        }
    }

    private uint[] Numbers()
    {
        uint[] numbers = new uint[Count(sizeof(uint))];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = UInt32();
        }

        return numbers;
    }

    /// <summary>Reads a list's length, which cannot be more than the bytes that are left have room for.</summary>
    /// <param name="leastSize">The fewest bytes that an item has.</param>
    private int Count(int leastSize)
    {
        uint count = UInt32();
        return Check(count <= (uint)(_bytes.Remaining.Length / leastSize)) ? (int)count : 0;
    }

    private long Time() => (long)((Int128)Int64() * _time.TimestampFrequency / TimeSpan.TicksPerSecond);

    private bool Bool()
    {
        byte value = Byte();
        return Check(value <= 1) && value == 1;
    }

    private byte Byte() => Check(_bytes.TryReadByte(out byte value)) ? value : (byte)0;

    private uint UInt32() => Check(_bytes.TryReadUInt32(out uint value)) ? value : 0;

    private long Int64() => (long)UInt64();

    private ulong UInt64() => Check(_bytes.TryReadUInt64(out ulong value)) ? value : 0;

    private ReadOnlySpan<byte> Bytes() => Check(_bytes.TryReadSized(out ReadOnlySpan<byte> value)) ? value : default;

    /// <summary>Notes whether a value fits.</summary>
    /// <returns>True while everything fits.</returns>
    private bool Check(bool fits)
    {
        _isDamaged |= !fits;
        return !_isDamaged;
    }
}
