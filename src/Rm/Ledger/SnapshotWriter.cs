using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Writes the ledger as bytes that <see cref="SnapshotReader"/> reads: numbers are big-endian, lists begin with their
/// length in 4 bytes, byte strings with theirs in 2, and times are in units of 100 ns since the machine's boot.
/// </summary>
internal sealed class SnapshotWriter(TimeProvider time)
{
    /// <summary>"TPMFS RM", which begins every snapshot.</summary>
    public const ulong Magic = 0x54504D46_5320524D;

    /// <summary>The version of the format. It changes with every change of what follows it.</summary>
    public const uint Version = 1;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Returns the whole ledger.</summary>
    public byte[] Write(TpmLedger ledger, ProfileState profile)
    {
        UInt64(Magic);
        UInt32(Version);
        (long lastSpace, long lastGroup) = ledger.LastIds;
        Int64(lastSpace);
        Int64(lastGroup);
        Counts(ledger.Counts);
        Slots(ledger.ObjectSlots);
        Slots(ledger.SessionSlots);
        Profile(profile);
        List([.. Groups(ledger)], Group);
        List(ledger.Spaces.All, Space);
        Int64(ledger.Objects.Uses);
        List(ledger.Objects.Doomed, handle => UInt32(handle.Value));
        UInt64(ledger.Sessions.Counter);
        List([.. ledger.Sessions.Loaded, .. ledger.Sessions.Saved], Session);
        List(ledger.Sessions.Doomed, Session);
        Maybe(ledger.Sessions.Exclusive, exclusive => UInt32(exclusive.Handle.Index));
        return _bytes.WrittenSpan.ToArray();
    }

    /// <summary>Returns every group that something of the ledger belongs to, once.</summary>
    private static IEnumerable<SchedulingGroup> Groups(TpmLedger ledger) =>
        ledger.Spaces.All.Select(space => space.Owner.Group)
            .Concat(ledger.Sessions.All.Concat(ledger.Sessions.Doomed).Select(session => session.Owner.Group))
            .Distinct();

    private void Counts(TpmCounts counts)
    {
        Bool(counts.AreKnown);
        UInt32(counts.Resets);
        UInt32(counts.Restarts);
        Time(counts.LastSure);
    }

    private void Slots(SlotCount slots)
    {
        UInt32((uint)slots.First);
        UInt32((uint)slots.Now);
    }

    private void Profile(ProfileState profile)
    {
        List(profile.Commands, UInt32);
        List(profile.Properties, property =>
        {
            UInt32(property.Property);
            UInt32(property.Value);
        });
        Maybe(profile.Audited, audited => List(audited, UInt32));
    }

    private void Group(SchedulingGroup group)
    {
        Int64(group.Id.Value);
        Bytes(Encoding.UTF8.GetBytes(group.Name));
    }

    private void Owner(SpaceOwner owner)
    {
        Int64(owner.Group.Id.Value);
        UInt32(owner.Uid);
        Byte(owner.Locality);
        UInt32(owner.Payer);
    }

    private void Space(SpaceRecord space)
    {
        Int64(space.Id.Value);
        Owner(space.Owner);
        Bool(space.IsRaw);
        UInt32(space.Next.Value);
        List(space.Objects, named =>
        {
            UInt32(named.Key.Value);
            Object(named.Value.State);
        });
    }

    private void Object(ObjectState held)
    {
        Maybe(held.Resident, handle => UInt32(handle!.Value.Value));
        Time(held.Entered);
        Maybe(held.Context, context => Bytes(context));
        Maybe(held.Hierarchy, hierarchy => UInt32(hierarchy!.Value));
        Bool(held.IsSequence);
        Bool(held.IsStClear);
        Int64(held.LastUse);
        Int64(held.Interval);
    }

    private void Session(Session session)
    {
        SessionState held = session.State;
        UInt32(session.Handle.Value);
        Owner(session.Owner);
        Maybe(held.Opener, opener => Int64(opener!.Value.Value));
        Maybe(held.Token, token => Bytes(token));
        Maybe(held.Context, context => Bytes(context));
        UInt64(held.Sequence);
        Time(held.LastUse);
    }

    private void Time(long timestamp) => Int64(time.GetElapsedTime(0, timestamp).Ticks);

    private void Bool(bool value) => Byte(value ? (byte)1 : (byte)0);

    private void Maybe<T>(T? value, Action<T> write)
    {
        Bool(value is not null);
        if (value is not null)
        {
            write(value);
        }
    }

    private void List<T>(IReadOnlyCollection<T> items, Action<T> write)
    {
        UInt32((uint)items.Count);
        foreach (T item in items)
        {
            write(item);
        }
    }

    private void Bytes(ReadOnlySpan<byte> bytes)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_bytes.GetSpan(sizeof(ushort)), checked((ushort)bytes.Length));
        _bytes.Advance(sizeof(ushort));
        _bytes.Write(bytes);
    }

    private void Byte(byte value) => _bytes.Write([value]);

    private void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes.GetSpan(sizeof(uint)), value);
        _bytes.Advance(sizeof(uint));
    }

    private void Int64(long value) => UInt64((ulong)value);

    private void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_bytes.GetSpan(sizeof(ulong)), value);
        _bytes.Advance(sizeof(ulong));
    }
}
