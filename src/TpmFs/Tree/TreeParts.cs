using Serilog;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;
using TpmFs.State;
using TpmFs.Tree.Controls;

namespace TpmFs.Tree;

/// <summary>The parts that all directories and nodes of the tree are made with.</summary>
/// <param name="Tpms">The TPMs by their numbers.</param>
/// <param name="Conversations">The parts that all conversations share.</param>
/// <param name="Notifier">Wakes the clients that poll.</param>
/// <param name="Root">The owner of the tree: root, or the user who runs the daemon.</param>
internal sealed record TreeParts(
    NodeTable Table, Access Root, IReadOnlyList<TpmPort> Tpms, ConversationContext Conversations,
    IFuseNotifier Notifier, StateKeeper State)
{
    public ILogger Log => Conversations.Log;

    /// <summary>Gets the part that the control files of the whole tree share.</summary>
    public ControlContext Controls { get; } = new(Root, Conversations.Time) { Payers = Conversations.Payers };

    /// <summary>Gets the watcher that learns of the nodes that are TPMs; null where there is none.</summary>
    public ITpmNodeWatcher? Watcher { get; init; }

    /// <summary>Returns the access that the tree's administrator has, and may change.</summary>
    public NodeAccess Administrators(string path, uint mode) =>
        new KeptAccess(State, path, new Access(mode, Root.Uid, Root.Gid));

    /// <summary>Returns true when a user administers the tree.</summary>
    public bool IsAdministrator(uint uid) => Root.IsAdministeredBy(uid);
}
