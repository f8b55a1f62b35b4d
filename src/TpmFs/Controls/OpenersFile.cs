using System.Globalization;
using TpmFs.Domains;
using TpmFs.Nodes;
using TpmFs.Openers;
using TpmFs.Rm;
using TpmFs.Tpm;

namespace TpmFs.Controls;

/// <summary>
/// openers: a line for each opener of a domain: id, uid, pid, command, node, locality, objects, sessions, commands, age
/// in seconds, state, seconds in that state, the TPM command that is under way or whose response is unread (or -),
/// waiting reads, unread bytes; with a blank between them and none in them. New columns are added at the end.
/// </summary>
internal sealed class OpenersFile(
    NodeTable table, ControlContext context, Node directory, Domain domain, TimeProvider time)
        : OwnersFile(table, context, directory)
{
    public override string Content() => string.Concat(domain.Openers.Select(opener =>
    {
        (OpenerIdentity who, Space space, OpenerActivity activity) = (opener.Identity, opener.Space, opener.Activity);
        long age = (long)time.GetElapsedTime(who.OpenedAt).TotalSeconds;
        long since = (long)activity.Since.TotalSeconds;
        string command = activity.Command?.ToName() ?? "-";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{who.Id} {who.Uid} {who.Pid} {who.Command} {who.Node} {who.Locality} "
            + $"{space.ObjectCount} {space.SessionCount} {space.Usage.Commands} {age} "
            + $"{activity.StateName} {since} {command} {activity.WaitingReads} {activity.UnreadBytes}\n");
    }));
}
