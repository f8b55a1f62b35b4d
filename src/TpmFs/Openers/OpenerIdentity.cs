using TpmFs.Fuse;
using TpmFs.Rm;

namespace TpmFs.Openers;

/// <summary>Who an opener is, as of its open(2), whoever uses the descriptor later.</summary>
/// <param name="Id">Never used again while the daemon lives.</param>
/// <param name="Pid">The process; the thread where the process cannot be told.</param>
/// <param name="Command">The process's name as the kernel has it, printable and without blanks.</param>
/// <param name="Domain">The domain's place in the tree; the root's is empty.</param>
/// <param name="Node">The node's place in its domain, such as locality/1/rm0.</param>
/// <param name="OpenedAt">As <see cref="TimeProvider.GetTimestamp"/> counts.</param>
internal sealed record OpenerIdentity(
    ulong Id, uint Uid, uint Pid, string Command, string Domain, string Node, byte Locality, long OpenedAt)
{
    private static ulong s_last;

    /// <summary>The number of the TPM that the node leads to.</summary>
    public int Tpm { get; init; }

    /// <summary>The node's place in the tree.</summary>
    public string Path => Domain.Length == 0 ? Node : $"{Domain}/{Node}";

    public static OpenerIdentity Of(in FuseCaller caller, string domain, string node, byte locality, TimeProvider time)
    {
        var process = ProcessName.OfThread(caller.Pid);
        return new OpenerIdentity(
            Interlocked.Increment(ref s_last), caller.Uid, process.Id, process.Name, domain, node, locality,
            time.GetTimestamp());
    }
}

/// <summary>Makes a handle space. Null when the TPM has no room for one more of its kind.</summary>
internal delegate Space? SpaceOpener(ISpaceClient client);
