using System.Globalization;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Tpm;

namespace TpmFs.Tree.Controls;

/// <summary>
/// openers: a line for each opener of a domain: id, uid, pid, command, node, locality, objects, sessions, commands, age
/// in seconds, state, seconds in that state, the TPM command that is under way or whose response is unread (or -),
/// waiting reads, unread bytes, door; with a blank between them and none in them. New columns are added at the end. The
/// pid is 0 when the process has ended and another process has its number by now.
/// </summary>
internal sealed class OpenersFile(
    NodeTable table, ControlContext context, Node directory, Domain domain, TimeProvider time)
        : OwnersFile(table, context, directory)
{
    public override string Content()
    {
        Dictionary<uint, ulong> serials = []; // of processes; one may have thousands of openers
        return string.Concat(domain.Conversations.Select(conversation => Line(conversation, serials)));
    }

    private string Line(Conversation conversation, Dictionary<uint, ulong> serials)
    {
        (ConversationIdentity who, ConversationActivity activity) = (conversation.Identity, conversation.Activity);
        TimeSpan age = time.GetElapsedTime(who.BegunAt);
        long since = (long)activity.Since.TotalSeconds;
        string command = activity.Command?.ToName() ?? "-";
        uint pid = PidOf(who.Client, serials);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{who.Id} {who.Client.Uid} {pid} {who.Client.Command} {who.Node.Name} {conversation.Locality} "
            + $"{conversation.ObjectCount} {conversation.SessionCount} {conversation.Usage.Commands} "
            + $"{(long)age.TotalSeconds} {activity.StateName} {since} {command} {activity.WaitingReads} "
            + $"{activity.UnreadBytes} {DoorName(who.Client.Door)}\n");
    }

    /// <summary>
    /// Returns the number of an opener's process, or 0 when another process has that number. The kernel uses the
    /// numbers of ended processes again, while their open files may be with other processes.
    /// </summary>
    private static uint PidOf(Client client, Dictionary<uint, ulong> serials)
    {
        if (!serials.TryGetValue(client.Pid, out ulong now))
        {
            now = ProcessCalls.SerialOf(client.Pid);
            serials.Add(client.Pid, now);
        }

        return client.Serial != 0 && now != 0 && now != client.Serial ? 0 : client.Pid;
    }

    private static string DoorName(DoorKind door) => door switch
    {
        DoorKind.Dbus => "dbus",
        DoorKind.Device => "device",
        _ => "file",
    };
}
