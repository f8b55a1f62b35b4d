using System.Text;
using Serilog;
using TpmFs.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Doors.Fuse;

/// <summary>Takes the kernel's requests to the nodes and open files that they name. Knows no kind of node.</summary>
/// <param name="root">The access of the tree's root, which belongs to the user whose daemon this is.</param>
internal sealed class TreeFileSystem(NodeTable table, PollNotifier notifier, Access root, ILogger log)
    : OpenFileSystem(new OpenFiles(table.Opens, connection: 0), notifier)
{
    /// <summary>Gets or sets the action that follows when the requests of an earlier daemon are served.</summary>
    public Action? WhenResumed { get; set; }

    public override void Resumed()
    {
        table.ForgetEarlierLookups();
        WhenResumed?.Invoke();
        base.Resumed();
    }

    public override Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry)
    {
        entry = default;
        if (!table.TryGet(parent, out Node? directory))
        {
            return Errno.ENOENT;
        }

        Errno error = directory.Find(caller, name, out Node? child);
        return error.IsError ? error : Enter(caller, child!, out entry);
    }

    public override void Forget(NodeId node, ulong lookups) => table.Forget(node, lookups);

    public override Errno GetAttributes(in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
    {
        bool known = table.TryGet(node, out Node? found);
        attributes = known ? found!.Attributes : default;
        return known ? Errno.None : Errno.ENOENT;
    }

    public override Errno SetAttributes(
        in FuseCaller caller, NodeId node, in FuseAttributeChange change, out FuseAttributes attributes)
    {
        attributes = default;
        if (!table.TryGet(node, out Node? found))
        {
            return Errno.ENOENT;
        }

        Errno error = found.SetAttributes(caller, change);
        if (change is not { Mode: null, Uid: null, Gid: null })
        {
            Audit.Of(caller.ToCaller(), log).AccessChanged(found.Place, found.Access, error);
        }

        attributes = found.Attributes;
        return error;
    }

    public override Errno ReadLink(in FuseCaller caller, NodeId node, FuseBytesReply target) =>
        table.TryGet(node, out Node? found) ? found.ReadLink(caller, target) : Errno.ENOENT;

    public override Errno MakeDirectory(
        in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, uint mode, out FuseEntry entry)
    {
        entry = default;
        if (!table.TryGet(parent, out Node? directory))
        {
            return Errno.ENOENT;
        }

        Errno error = directory.MakeDirectory(caller, name, mode, out Node? made);
        if (caller.Request.IsRepeated && error == Errno.EEXIST)
        {
            // The kernel has held the directory's lock all the time: an earlier daemon has made it for this request.
            error = directory.Find(caller, name, out made);
        }

        Audit.Of(caller.ToCaller(), log).Made(directory.PlaceOf(Encoding.Latin1.GetString(name)), "mkdir", error);
        return error.IsError ? error : Enter(caller, made!, out entry);
    }

    public override Errno RemoveDirectory(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name)
    {
        if (!table.TryGet(parent, out Node? directory))
        {
            return Errno.ENOENT;
        }

        Errno error = directory.RemoveDirectory(caller, name);
        if (caller.Request.IsRepeated && error == Errno.ENOENT)
        {
            error = Errno.None; // as above
        }

        Audit.Of(caller.ToCaller(), log).Removed(directory.PlaceOf(Encoding.Latin1.GetString(name)), "rmdir", error);
        return error;
    }

    /// <summary>
    /// Opens a directory for listing, for root and the daemon's own user only, whatever its mode says. The kernel
    /// holds the directory's lock while it copies a listing into the caller's memory, which need never arrive, and
    /// rename(2) carries the wait for that lock on to the directories above. Names are found without listing.
    /// </summary>
    public override Errno OpenDirectory(in FuseCaller caller, NodeId node, uint flags, out FuseOpened opened)
    {
        opened = default;
        if (!table.TryGet(node, out Node? found))
        {
            return Errno.ENOENT;
        }

        return found.Type != NodeType.Directory ? Errno.ENOTDIR
            : root.IsAdministeredBy(caller.Uid) ? Errno.None
            : Errno.EACCES;
    }

    public override Errno ReadDirectory(
        in FuseCaller caller, NodeId node, OpenId open, ulong offset, FuseDirectoryReply entries) =>
        table.TryGet(node, out Node? found) ? found.List(caller, offset, entries) : Errno.ENOENT;

    public override Errno StatFs(in FuseCaller caller, NodeId node, out FuseStatFs statistics)
    {
        statistics = new FuseStatFs(
            Blocks: 0, BlocksFree: 0, Files: (ulong)table.Count, FilesFree: 0, BlockSize: 4096, NameLength: 255);
        return Errno.None;
    }

    public override Errno GetXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, FuseBytesReply value) =>
        table.TryGet(node, out Node? found) ? found.GetXattr(caller, name, value) : Errno.ENOENT;

    public override Errno ListXattr(in FuseCaller caller, NodeId node, FuseBytesReply names) =>
        table.TryGet(node, out Node? found) ? found.ListXattr(caller, names) : Errno.ENOENT;

    public override Errno SetXattr(
        in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        if (!table.TryGet(node, out Node? found))
        {
            return Errno.ENOENT;
        }

        Errno error = AclXattr.IsLong(name, value) && !root.IsAdministeredBy(caller.Uid)
            ? Errno.ENOSPC // as other filesystems say of an ACL that is too long
            : found.SetXattr(caller, name, value, caller.Request.IsRepeated ? 0 : flags);
        AuditXattr(caller, found, name, error);
        return error;
    }

    public override Errno RemoveXattr(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> name)
    {
        if (!table.TryGet(node, out Node? found))
        {
            return Errno.ENOENT;
        }

        Errno error = found.RemoveXattr(caller, name);
        if (caller.Request.IsRepeated && error == Errno.ENODATA)
        {
            error = Errno.None;
        }

        AuditXattr(caller, found, name, error);
        return error;
    }

    protected override Errno TryOpen(in FuseCaller caller, NodeId node, uint flags, out OpenFile? file)
    {
        file = null;
        return table.TryGet(node, out Node? found) ? found.Open(caller, flags, out file) : Errno.ENOENT;
    }

    protected override OpenFile Reopen(OpenRecord record) =>
        table.TryGet(record.Node, out Node? node) && (node is not TpmNode || TpmNode.IsForReading(record.Flags))
        && !node.Open(record.Opener, record.Flags, out OpenFile? file).IsError ? file! : new GoneFile();

    protected override void Ordered(in FuseCaller caller, NodeId node, ReadOnlySpan<byte> order, Errno error)
    {
        if (table.TryGet(node, out Node? found))
        {
            Audit.Of(caller.ToCaller(), log).Ordered(found.Place, order, error);
        }
    }

    /// <summary>Logs a change of an ACL. A node that takes another attribute logs that change itself.</summary>
    private void AuditXattr(in FuseCaller caller, Node node, ReadOnlySpan<byte> name, Errno error)
    {
        if (AclXattr.IsAcl(name))
        {
            Audit.Of(caller.ToCaller(), log).AccessChanged(node.Place, node.Access, error);
        }
    }

    private Errno Enter(in FuseCaller caller, Node node, out FuseEntry entry)
    {
        bool found = table.TryLookup(node, caller.Uid, caller.Request, out NodeId id);
        entry = new FuseEntry(id, node.Attributes);
        return found ? Errno.None : Errno.ENOENT;
    }
}
