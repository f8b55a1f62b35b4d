using TpmFs.Clients;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// A door that leads to a tree's nodes beside the mount, by connections with the kernel that outlive the daemon.
/// </summary>
internal interface ILastingDoor
{
    /// <summary>Returns true when files go on that were open on a connection in an earlier daemon.</summary>
    /// <param name="connection">Not the mount's.</param>
    bool GoesOn(uint connection);

    /// <summary>
    /// Opens the files again that were open in an earlier daemon. The tree has all nodes that it has from the start.
    /// </summary>
    /// <param name="opens">The files.</param>
    /// <param name="conversations">
    /// The conversations that went on, by their numbers; those that are used are taken out.
    /// </param>
    /// <returns>The number of files that cannot be opened again.</returns>
    int Resume(OpenRecords opens, Dictionary<ulong, Conversation> conversations);
}
