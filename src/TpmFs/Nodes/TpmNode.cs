using TpmFs.Domains;
using TpmFs.Fuse;
using TpmFs.Openers;
using TpmFs.Rm;

namespace TpmFs.Nodes;

/// <summary>A TPM: each open is an opener of its domain.</summary>
/// <param name="name">Its place in its domain.</param>
/// <param name="door">The way to the TPM: managed or raw.</param>
internal sealed class TpmNode(NodeTable table, NodeAccess access, string name, Domain domain, byte locality, TpmDoor door, OpenerContext context)
    : Node(table, access)
{
    public override NodeType Type => NodeType.Regular;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        var error = domain.Enter();
        if (error.IsError)
        {
            context.Log.Debug("process {Pid} of user {Uid} was refused at {Node} of {Domain}: {Errno}", caller.Pid, caller.Uid, name, domain.Name, error.Value);
            return error;
        }

        var owner = new SpaceOwner(domain.GroupOf(caller.Uid), caller.Uid, locality);
        var identity = OpenerIdentity.Of(caller, domain.Path, name, locality, context.Time);
        var opener = Opener.TryOpen(context, identity, door.MaxCommandSize, client => door.OpenSpace(owner, client), domain.Remove);
        if (opener is null)
        {
            domain.Leave();
            return Errno.EBUSY;
        }

        if (!domain.TryAdd(opener))
        {
            opener.Revoke();
            return SpaceErrno.Gone;
        }

        context.Log.Debug("process {Pid} ({Command}) of user {Uid} opened {Node} as opener {Opener}", identity.Pid, identity.Command, identity.Uid, identity.Path, identity.Id);
        file = opener;
        return Errno.None;
    }
}

/// <summary>A way to a TPM.</summary>
/// <param name="MaxCommandSize">In bytes; at least 4096.</param>
/// <param name="OpenSpace">Makes a handle space, or null while there is no room for one more. Any thread; sends nothing to the TPM.</param>
internal sealed record TpmDoor(int MaxCommandSize, Func<SpaceOwner, ISpaceClient, Space?> OpenSpace);
