using System.Diagnostics.CodeAnalysis;
using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// A TPM: each open begins a conversation in its domain. Lookups find no managed node of a TPM that cannot be managed.
/// </summary>
/// <remarks>
/// An open for reading alone begins none, so that it takes nothing from anybody: the kernel opens a file so for
/// file_getattr(2) (Linux 6.17 and newer), without asking whether the caller may open it.
/// </remarks>
/// <param name="domain">The domain that it is in.</param>
/// <param name="tpm">The way to the TPM.</param>
/// <param name="address">The way by which the node leads to the TPM.</param>
/// <param name="notifier">Wakes the clients that poll.</param>
internal sealed class TpmNode(
    NodeTable table, NodeAccess access, Domain domain, TpmPort tpm, TpmNodeAddress address, IFuseNotifier notifier)
    : Node(table, access)
{
    private const uint AccessMode = 3; // O_ACCMODE, asm-generic/fcntl.h
    private const uint ReadOnly = 0; // O_RDONLY

    /// <summary>Raised after a change of the node's access, and when the node has gone.</summary>
    public event Action? Changed
    {
        add => Guard.Changed += value;
        remove => Guard.Changed -= value;
    }

    public override NodeType Type => NodeType.Regular;

    /// <summary>Gets the records of open files for the next daemon.</summary>
    public OpenRecords Opens { get; } = table.Opens;

    /// <summary>True when the node is out of the tree.</summary>
    public bool IsGone => Guard.IsRetired;

    /// <summary>
    /// Gets the size of the largest command: no write goes beyond it, so that the kernel's idea of the size never
    /// changes. If the size were 0 and grew by writes, the kernel would take an asynchronous read for one beyond the
    /// end, and would truncate its page cache at each look at the node.
    /// </summary>
    protected override ulong Size => (ulong)tpm.Facts.MaxCommandSize;

    /// <summary>False until the TPM is known to be one that has such a node.</summary>
    public bool IsThere => (address.IsRaw || tpm.CanBeManaged) && tpm.Has(address.Locality);

    public override Node? VisibleTo(in FuseCaller caller) => IsThere ? this : null;

    /// <summary>Gets the node's place in the tree, which the node has before it is there.</summary>
    public override string Place => domain.Path.Length == 0 ? address.Name : $"{domain.Path}/{address.Name}";

    /// <summary>Returns true when a file that is opened with these flags of open(2) can only be read.</summary>
    public static bool IsForReading(uint flags) => (flags & AccessMode) == ReadOnly;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file) =>
        IsForReading(flags)
            ? OpenForReading(caller.Uid, out file) : Open(caller.ToCaller(), notifier, out file);

    /// <summary>Opens it for a client of another door.</summary>
    /// <param name="wakes">Wakes that door's clients that poll.</param>
    public Errno Open(in Caller caller, IFuseNotifier wakes, out OpenFile? file)
    {
        file = TryAdmit(caller, out Conversation? conversation, out Errno refusal)
            ? new TpmFile(conversation, wakes) : null;
        return refusal;
    }

    /// <summary>
    /// Begins a conversation for a caller who may open this node, by any door; see <see cref="Domain.TryAdmit"/>.
    /// </summary>
    public bool TryAdmit(in Caller caller, [NotNullWhen(true)] out Conversation? conversation, out Errno refusal) =>
        domain.TryAdmit(caller, tpm, address, out conversation, out refusal);

    private Errno OpenForReading(uint uid, out OpenFile? file)
    {
        Errno refusal = domain.TryAdmitReader(uid, out uint payer);
        file = refusal.IsError ? null : new ReadOnlyFile(this, () => domain.ReaderLeft(payer));
        return refusal;
    }
}

/// <summary>Learns of the nodes of a tree that are TPMs, from the start. Any thread.</summary>
internal interface ITpmNodeWatcher
{
    /// <summary>Learns that there is a node. The node itself tells when it goes.</summary>
    void Added(TpmNode node);
}

/// <summary>Passes all calls to several watchers.</summary>
internal sealed class TpmNodeWatchers(IReadOnlyList<ITpmNodeWatcher> all) : ITpmNodeWatcher
{
    public void Added(TpmNode node)
    {
        foreach (ITpmNodeWatcher watcher in all)
        {
            watcher.Added(node);
        }
    }
}

/// <summary>Converts FUSE's caller of a request to the daemon's own type.</summary>
internal static class FuseCallers
{
    /// <summary>Returns the caller of a request.</summary>
    public static Caller ToCaller(this in FuseCaller caller) => new(caller.Uid, caller.Gid, caller.Pid);
}
