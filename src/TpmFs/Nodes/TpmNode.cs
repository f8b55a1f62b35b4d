using TpmFs.Domains;
using TpmFs.Fuse;
using TpmFs.Openers;
using TpmFs.Rm;

namespace TpmFs.Nodes;

/// <summary>A TPM: each open is an opener of its domain.</summary>
/// <param name="name">Its place in its domain.</param>
/// <param name="tpm">The way to the TPM.</param>
/// <param name="isRaw">
/// Whether it is the TPM itself; else it is managed, and not there for a TPM that cannot be managed.
/// </param>
internal sealed class TpmNode(
    NodeTable table, NodeAccess access, string name, Domain domain, byte locality, TpmPort tpm, bool isRaw,
    OpenerContext context)
    : Node(table, access)
{
    public override NodeType Type => NodeType.Regular;

    /// <summary>
    /// Gets the size of the largest command: no write goes beyond it, so that the kernel's idea of the size never
    /// changes. Where the size is 0, and grows by writes, the kernel takes an asynchronous read for one beyond the end,
    /// and truncates its page cache at each look at the node.
    /// </summary>
    protected override ulong Size => (ulong)tpm.Facts.MaxCommandSize;

    public override Node? FaceFor(in FuseCaller caller) =>
        (isRaw || tpm.CanBeManaged) && tpm.Has(locality) ? this : null;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        Errno error = domain.Enter(caller.Uid);
        if (error.IsError)
        {
            context.Log.Debug(
                "process {Pid} of user {Uid} was refused at {Node} of {Domain}: {Errno}", caller.Pid, caller.Uid, name,
                domain.Name, error.Value);
            return error;
        }

        var owner = new SpaceOwner(domain.GroupOf(tpm.Number, caller.Uid), caller.Uid, locality);
        OpenerIdentity identity =
            OpenerIdentity.Of(caller, domain.Path, name, locality, context.Time) with { Tpm = tpm.Number };
        TpmDoor door = isRaw ? tpm.Raw : tpm.Managed;
        var opener = Opener.TryOpen(
            context, identity, tpm.Facts.MaxCommandSize, client => door(owner, client), domain.Remove, domain.Leave);
        if (opener is null)
        {
            domain.Leave(caller.Uid);
            return Errno.EBUSY;
        }

        if (!domain.TryAdd(opener))
        {
            opener.Release();
            return SpaceErrno.Gone;
        }

        context.Log.Debug(
            "process {Pid} ({Command}) of user {Uid} opened {Node} as opener {Opener}", identity.Pid, identity.Command,
            identity.Uid, identity.Path, identity.Id);
        file = opener;
        return Errno.None;
    }
}
