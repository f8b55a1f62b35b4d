using System.Text;

namespace TpmFs.Rm.Ledger;

/// <summary>Represents a group that a space of the ledger belongs to, or belonged to.</summary>
internal sealed class GroupRecord(SchedulingGroup group) : LedgerRecord
{
    public SchedulingGroup Group => group;

    protected override RecordKind Kind => RecordKind.Group;

    public override ReadOnlySpan<byte> Encode(RecordWriter writer)
    {
        writer.Int64(group.Id.Value);
        writer.Rest(Encoding.UTF8.GetBytes(group.Name));
        return writer.Written;
    }

    /// <summary>Reads a group. Its limits are not written: they come from the configuration.</summary>
    public static GroupRecord Read(ref RecordReader reader)
    {
        var id = new GroupId(reader.Int64());
        return new GroupRecord(new SchedulingGroup(id, Encoding.UTF8.GetString(reader.Rest()), new SpaceLimits()));
    }
}
