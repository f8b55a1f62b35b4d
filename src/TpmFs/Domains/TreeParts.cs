using Serilog;
using TpmFs.Nodes;
using TpmFs.Openers;
using TpmFs.Rm;
using TpmFs.State;

namespace TpmFs.Domains;

/// <summary>What everything in the tree is made with.</summary>
/// <param name="Root">Whose the tree is: root's, or that of the user who runs the daemon.</param>
internal sealed record TreeParts(NodeTable Table, Access Root, TpmPort Tpm, OpenerContext Openers, StateKeeper State)
{
    public ILogger Log => Openers.Log;

    /// <summary>Access that the administrator of the tree has, and may change.</summary>
    public NodeAccess Administrators(string path, uint mode) => new KeptAccess(State, path, new Access(mode, Root.Uid, Root.Gid));

    /// <summary>Whether somebody administers the tree.</summary>
    public bool IsAdministrator(uint uid) => uid == 0 || uid == Root.Uid;
}

/// <summary>The ways to a TPM, and what it can do.</summary>
/// <param name="Managed">Each opener has a handle space.</param>
/// <param name="Raw">The TPM as it is; one opener at a time.</param>
/// <param name="HighestLocality">0 to 4.</param>
/// <param name="EndGroup">Flushes what is left of a group whose openers have all ended. Any thread.</param>
internal sealed record TpmPort(TpmDoor Managed, TpmDoor Raw, byte HighestLocality, Action<SchedulingGroup> EndGroup);
