using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using TpmFs.Clients;
using TpmFs.Doors.DBus;
using TpmFs.Doors.Fuse;
using TpmFs.Permissions;

namespace TpmFs.Tree;

/// <summary>
/// Lets callers of the bus open the nodes that they could open in the tree: a user who has a directory, the rm0 in it;
/// other users, the root's rm0.
/// </summary>
/// <param name="root">The tree's root.</param>
/// <param name="users">The users who have a directory.</param>
/// <param name="managed">The name of the nodes.</param>
internal sealed class BusAdmission(DirectoryNode root, UsersDirectory users, string managed) : IBusAdmission
{
    public bool TryAdmit(
        BusCaller caller, out string node, [NotNullWhen(true)] out Conversation? conversation, out Errno refusal)
    {
        node = users.Has(caller.Uid)
            ? string.Create(CultureInfo.InvariantCulture, $"users/{caller.Uid}/{managed}") : managed;
        conversation = null;
        refusal = TryFind(caller, node, out TpmNode? found);
        return !refusal.IsError && found!.TryAdmit(caller.ToCaller(), out conversation, out refusal);
    }

    public Errno CheckLocality(BusCaller caller, ConversationIdentity conversation, byte locality, out string node)
    {
        string within = string.Create(CultureInfo.InvariantCulture, $"locality/{locality}/{managed}");
        node = conversation.Domain.Length == 0 ? within : $"{conversation.Domain}/{within}";
        return TryFind(caller, node, out _);
    }

    /// <summary>
    /// Walks to a node as the kernel does for open(2), and checks the caller's permissions on the way.
    /// </summary>
    private Errno TryFind(BusCaller caller, string place, out TpmNode? found)
    {
        found = null;
        Node at = root;
        foreach (string step in place.Split('/'))
        {
            if (!May(caller, at, AccessCheck.Search))
            {
                return Errno.EACCES;
            }

            if (at is not DirectoryNode directory || !directory.TryFind(step, out Node? next))
            {
                return Errno.ENOENT;
            }

            at = next;
        }

        found = at as TpmNode;
        return found is not { IsThere: true } ? Errno.ENOENT
            : May(caller, found, AccessCheck.ReadAndWrite) ? Errno.None : Errno.EACCES;
    }

    private static bool May(BusCaller caller, Node node, uint wanted) =>
        node.Access.Allows(caller.Uid, caller.Groups ?? [], wanted);
}
