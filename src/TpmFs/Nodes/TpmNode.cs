using TpmFs.Domains;
using TpmFs.Fuse;
using TpmFs.Openers;
using TpmFs.Rm;

namespace TpmFs.Nodes;

/// <summary>A TPM, resource-managed: each open has a handle space of its own.</summary>
internal sealed class TpmNode(NodeTable table, Access access, TpmPort tpm, Domain domain, byte locality, OpenerContext context)
    : Node(table, access)
{
    public override NodeType Type => NodeType.Regular;

    /// <summary>A shell's &gt; truncates and touch sets times: both are taken and change nothing, as on a device.</summary>
    public override Errno SetAttributes(in FuseCaller caller, in FuseAttributeChange change) =>
        change is { Mode: null, Uid: null, Gid: null } ? Errno.None : Errno.EPERM;

    public override Errno Open(in FuseCaller caller, uint flags, out OpenFile? file)
    {
        file = null;
        if (!domain.TryEnter())
        {
            context.Log.Debug("process {Pid} of {Uid} was refused: there are {OpenersMax} openers already", caller.Pid, caller.Uid, domain.OpenersMax);
            return SpaceErrno.TooManyOpeners;
        }

        var owner = new SpaceOwner(domain.GroupOf(caller.Uid), caller.Uid, locality);
        file = new Opener(context, tpm.MaxCommandSize, client => tpm.OpenSpace(owner, client), domain.Leave);
        context.Log.Debug("process {Pid} of {Uid} opened {Node}", caller.Pid, caller.Uid, Id.Value);
        return Errno.None;
    }
}

/// <summary>What a node needs of a TPM's resource manager.</summary>
/// <param name="MaxCommandSize">In bytes; at least 4096.</param>
/// <param name="OpenSpace">Makes a handle space. Any thread; sends nothing to the TPM.</param>
internal sealed record TpmPort(int MaxCommandSize, Func<SpaceOwner, ISpaceClient, Space> OpenSpace);
