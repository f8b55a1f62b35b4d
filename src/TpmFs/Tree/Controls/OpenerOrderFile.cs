using System.Globalization;
using Serilog;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;

namespace TpmFs.Tree.Controls;

/// <summary>
/// A file that takes an opener's id and acts on that opener. The write fails with EINVAL for a text that is no id, and
/// with ESRCH for an id that no opener of this domain has.
/// </summary>
internal abstract class OpenerOrderFile(NodeTable table, ControlContext context, Node directory, Domain domain)
    : OwnersFile(table, context, directory)
{
    public override Errno Take(string order, bool isFirst)
    {
        if (!order.All(char.IsAsciiDigit)
            || !ulong.TryParse(order, NumberStyles.None, CultureInfo.InvariantCulture, out ulong id))
        {
            return Errno.EINVAL;
        }

        if (domain.Find(id) is not { } opener)
        {
            return Errno.ESRCH;
        }

        Do(opener);
        return Errno.None;
    }

    /// <summary>Carries the order out.</summary>
    protected abstract void Do(Conversation opener);
}

/// <summary>
/// cancel: gives up the opener's command under way, where the TPM can. Does nothing when there is none.
/// </summary>
internal sealed class CancelFile(NodeTable table, ControlContext context, Node directory, Domain domain)
    : OpenerOrderFile(table, context, directory, domain)
{
    protected override void Do(Conversation opener) => opener.Cancel();
}

/// <summary>revoke: ends the opener, as if its domain were gone.</summary>
internal sealed class RevokeFile(NodeTable table, ControlContext context, Node directory, Domain domain, ILogger log)
    : OpenerOrderFile(table, context, directory, domain)
{
    protected override void Do(Conversation opener)
    {
        ConversationAudit.Revoked(log, opener.Identity);
        opener.Revoke();
    }
}
