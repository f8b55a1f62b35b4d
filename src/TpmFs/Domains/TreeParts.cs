using Serilog;
using TpmFs.Controls;
using TpmFs.Nodes;
using TpmFs.Openers;
using TpmFs.State;

namespace TpmFs.Domains;

/// <summary>What everything in the tree is made with.</summary>
/// <param name="Tpms">By their numbers.</param>
/// <param name="Root">Whose the tree is: root's, or that of the user who runs the daemon.</param>
internal sealed record TreeParts(
    NodeTable Table, Access Root, IReadOnlyList<TpmPort> Tpms, OpenerContext Openers, StateKeeper State)
{
    public ILogger Log => Openers.Log;

    /// <summary>What the control files of the whole tree share.</summary>
    public ControlContext Controls { get; } = new(Root);

    /// <summary>Access that the administrator of the tree has, and may change.</summary>
    public NodeAccess Administrators(string path, uint mode) =>
        new KeptAccess(State, path, new Access(mode, Root.Uid, Root.Gid));

    /// <summary>Whether somebody administers the tree.</summary>
    public bool IsAdministrator(uint uid) => uid == 0 || uid == Root.Uid;
}
