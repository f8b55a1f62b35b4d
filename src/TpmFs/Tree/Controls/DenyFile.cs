using Serilog;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.Tree.Controls;

/// <summary>commands.deny: the commands that a domain's openers may not use.</summary>
internal sealed class DenyFile(NodeTable table, ControlContext context, Domain domain, ILogger log)
    : ControlFile(table, Settable, context)
{
    private const int MaxQuoted = 64;

    public override string Content() => string.Concat(domain.Limits.Denied!.Lines.Select(line => line + "\n"));

    /// <summary>The names that an open writes first begin the list, later ones are added to it.</summary>
    public override Errno Take(string order, bool isFirst)
    {
        string? wrong = "";
        Errno error = domain.Change(limits =>
        {
            DenyList current = limits.Denied ?? domain.Limits.Denied!;
            return DenyList.TryRead(order.Split('\n'), current, !isFirst, out DenyList? list, out _, out wrong)
                ? limits with { Denied = list } : limits;
        });
        if (error.IsError || wrong.Length == 0)
        {
            return error;
        }

        log.Warning(
            "{Domain}: commands.deny was not changed, since {Entry} is neither the name or number of a command nor one "
                + "of the sets {Sets}",
            domain.Name,
            wrong[..Math.Min(wrong.Length, MaxQuoted)],
            string.Join(' ', CommandSet.Known.Select(set => set.Name)));
        return Errno.EINVAL;
    }

    public override void Reset(Audit audit) =>
        audit.LimitsChanged(domain.Path, domain.Reset(limits => limits with { Denied = null }));
}
