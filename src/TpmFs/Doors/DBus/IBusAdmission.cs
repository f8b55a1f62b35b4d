using System.Diagnostics.CodeAnalysis;
using TpmFs.Clients;

namespace TpmFs.Doors.DBus;

/// <summary>
/// Decides which nodes a caller of the bus may open, by the permissions of the tree's nodes, which the kernel does not
/// check for such callers. Any thread; does not block.
/// </summary>
internal interface IBusAdmission
{
    /// <summary>
    /// Begins a conversation at the caller's node: that of the user's own domain, else the root's rm0.
    /// </summary>
    /// <param name="caller">The caller.</param>
    /// <param name="node">The node's place in the tree.</param>
    /// <param name="conversation">The conversation that the caller is to use.</param>
    /// <param name="refusal">The error that open(2) of the node would give.</param>
    bool TryAdmit(
        BusCaller caller, out string node, [NotNullWhen(true)] out Conversation? conversation, out Errno refusal);

    /// <summary>Says whether a caller may open the node of another locality in the domain of a conversation.</summary>
    /// <param name="node">The place of that node.</param>
    /// <returns>The error that open(2) of the node would give.</returns>
    Errno CheckLocality(BusCaller caller, ConversationIdentity conversation, byte locality, out string node);
}
