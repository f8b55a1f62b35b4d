using System.Globalization;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Tpm;

namespace TpmFs.Tree.Controls;

/// <summary>
/// openers: a line for each opener of a domain: id, uid, pid, command, node, locality, objects, sessions, commands, age
/// in seconds, state, seconds in that state, the TPM command that is under way or whose response is unread (or -),
/// waiting reads, unread bytes, door; with a blank between them and none in them. New columns are added at the end.
/// </summary>
internal sealed class OpenersFile(
    NodeTable table, ControlContext context, Node directory, Domain domain, TimeProvider time)
        : OwnersFile(table, context, directory)
{
    public override string Content() => string.Concat(domain.Conversations.Select(conversation =>
    {
        (ConversationIdentity who, ConversationActivity activity) = (conversation.Identity, conversation.Activity);
        long age = (long)time.GetElapsedTime(who.BegunAt).TotalSeconds;
        long since = (long)activity.Since.TotalSeconds;
        string command = activity.Command?.ToName() ?? "-";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{who.Id} {who.Client.Uid} {who.Client.Pid} {who.Client.Command} {who.Node.Name} {conversation.Locality} "
            + $"{conversation.ObjectCount} {conversation.SessionCount} {conversation.Usage.Commands} {age} "
            + $"{activity.StateName} {since} {command} {activity.WaitingReads} {activity.UnreadBytes} "
            + $"{DoorName(who.Client.Door)}\n");
    }));

    private static string DoorName(DoorKind door) => door switch
    {
        DoorKind.Dbus => "dbus",
        DoorKind.Device => "device",
        _ => "file",
    };
}
