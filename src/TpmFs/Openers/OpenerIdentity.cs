using System.Globalization;
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
internal sealed record OpenerIdentity(ulong Id, uint Uid, uint Pid, string Command, string Domain, string Node, byte Locality, long OpenedAt)
{
    private const int MaxCommand = 32;
    private static ulong s_last;

    /// <summary>The number of the TPM that the node leads to.</summary>
    public int Tpm { get; init; }

    /// <summary>The node's place in the tree.</summary>
    public string Path => Domain.Length == 0 ? Node : $"{Domain}/{Node}";

    public static OpenerIdentity Of(in FuseCaller caller, string domain, string node, byte locality, TimeProvider time)
    {
        (uint pid, string? command) = FindProcess(caller.Pid);
        return new OpenerIdentity(Interlocked.Increment(ref s_last), caller.Uid, pid, command, domain, node, locality, time.GetTimestamp());
    }

    /// <summary>FUSE tells the thread; proc(5) knows its process. Reading it waits for nothing.</summary>
    public static (uint Pid, string Command) FindProcess(uint thread)
    {
        (uint pid, string? command) = (thread, "?");
        try
        {
            foreach (string line in File.ReadLines($"/proc/{thread}/status"))
            {
                if (line.StartsWith("Name:\t", StringComparison.Ordinal))
                {
                    command = string.Concat(line[6..].Take(MaxCommand).Select(c => c is > ' ' and <= '~' ? c : '_'));
                }
                else if (line.StartsWith("Tgid:\t", StringComparison.Ordinal))
                {
                    return (uint.TryParse(line[6..], NumberStyles.None, CultureInfo.InvariantCulture, out uint group) ? group : thread, command);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has exited, or is in a process namespace that is not to be seen from here.
        }

        return (pid, command);
    }
}

/// <summary>Makes a handle space. Null when the TPM has no room for one more of its kind.</summary>
internal delegate Space? SpaceOpener(ISpaceClient client);
