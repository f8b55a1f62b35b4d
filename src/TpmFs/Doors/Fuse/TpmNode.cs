using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// A TPM: each open begins a conversation in its domain. A managed node is not there for a TPM that cannot be managed.
/// </summary>
/// <param name="domain">The domain that it is in.</param>
/// <param name="tpm">The way to the TPM.</param>
/// <param name="address">How it leads there.</param>
/// <param name="notifier">Wakes who polls.</param>
internal sealed class TpmNode(
    NodeTable table, NodeAccess access, Domain domain, TpmPort tpm, TpmNodeAddress address, IFuseNotifier notifier)
    : Node(table, access)
{
    public override NodeType Type => NodeType.Regular;

    /// <summary>
    /// Gets the size of the largest command: no write goes beyond it, so that the kernel's idea of the size never
    /// changes. Where the size is 0, and grows by writes, the kernel takes an asynchronous read for one beyond the end,
    /// and truncates its page cache at each look at the node.
    /// </summary>
    protected override ulong Size => (ulong)tpm.Facts.MaxCommandSize;

    public override Node? VisibleTo(in FuseCaller caller) =>
        (address.IsRaw || tpm.CanBeManaged) && tpm.Has(address.Locality) ? this : null;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = domain.TryAdmit(caller.ToCaller(), tpm, address, out Conversation? conversation, out Errno refusal)
            ? new TpmFile(conversation, notifier) : null;
        return refusal;
    }
}

/// <summary>Says who asks in words that are not FUSE's.</summary>
internal static class FuseCallers
{
    /// <summary>Returns the caller of a request.</summary>
    public static Caller ToCaller(this in FuseCaller caller) => new(caller.Uid, caller.Gid, caller.Pid);
}
