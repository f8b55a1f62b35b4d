using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.Tree.Controls;

/// <summary>A limit of a domain that is a number, or "max".</summary>
internal sealed class LimitFile(NodeTable table, ControlContext context, Domain domain, LimitKind kind)
    : ControlFile(table, Settable, context)
{
    public override string Content() => kind.Show(kind.Get(domain.Limits)!.Value) + "\n";

    public override Errno Take(string order, bool isFirst) =>
        kind.TryRead(order, out int value) ? domain.Change(limits => kind.Set(limits, value)) : Errno.EINVAL;

    public override void Reset(Audit audit) =>
        audit.LimitsChanged(domain.Path, domain.Reset(limits => kind.Set(limits, null)));
}
