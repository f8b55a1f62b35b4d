using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Ledger;

/// <summary>
/// Writes the part of the ledger that does not belong to a single space: the TPM's restart counts and slots, the
/// context counter, the exclusive audit session, and the objects that are to be flushed. The parts of the ledger that
/// own these values mark it.
/// </summary>
internal sealed class StateRecord(TpmLedger ledger) : LedgerRecord
{
    protected override RecordKind Kind => RecordKind.State;

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.Bool(ledger.IsSuspended);
        Counts(writer, ledger.Counts);
        Slots(writer, ledger.ObjectSlots);
        Slots(writer, ledger.SessionSlots);
        writer.UInt64(ledger.Sessions.Counter);
        writer.Maybe(ledger.Sessions.Exclusive?.Handle.Index);
        writer.UInt32((uint)ledger.Objects.Doomed.Count);
        foreach (TpmHandle doomed in ledger.Objects.Doomed)
        {
            writer.UInt32(doomed.Value);
        }

        return writer.Written;
    }

    /// <summary>Goes on with what the last manager wrote. The ledger has its sessions and objects already.</summary>
    public void Restore(ref RecordReader reader)
    {
        ledger.IsSuspended = reader.Bool();
        bool areKnown = reader.Bool();
        (uint resets, uint restarts, long lastSure) = (reader.UInt32(), reader.UInt32(), reader.Time());
        if (areKnown)
        {
            ledger.Counts.Learn(resets, restarts, lastSure);
        }

        Slots(ref reader, ledger.ObjectSlots);
        Slots(ref reader, ledger.SessionSlots);
        ulong counter = reader.UInt64();
        reader.Check(ledger.Sessions.Saved.All(session => session.Sequence <= counter));
        Session? exclusive = null;
        if (reader.MaybeUInt32() is { } index)
        {
            var handle = new TpmHandle(((uint)TpmHt.HmacSession << 24) | index);
            reader.Check(ledger.Sessions.TryFind(handle, out exclusive!));
        }

        ledger.Sessions.GoOnFrom(counter, exclusive);
        ledger.Objects.GoOnWith(reader.Numbers());
    }

    private static void Counts(RecordWriter writer, TpmCounts counts)
    {
        writer.Bool(counts.AreKnown);
        writer.UInt32(counts.Resets);
        writer.UInt32(counts.Restarts);
        writer.Time(counts.LastSure);
    }

    private static void Slots(RecordWriter writer, SlotCount slots)
    {
        writer.UInt32((uint)slots.First);
        writer.UInt32((uint)slots.Now);
    }

    private static void Slots(ref RecordReader reader, SlotCount slots)
    {
        int first = (int)Math.Min(reader.UInt32(), int.MaxValue);
        slots.Restore(first, (int)Math.Min(reader.UInt32(), int.MaxValue));
    }
}
