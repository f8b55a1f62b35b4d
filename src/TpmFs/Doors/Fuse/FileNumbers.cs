using TpmFs.Clients;
using TpmFs.Fuse;
using TpmFs.Policy;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// Counts the numbers that lookups of files have made, by the users who made them and the files' domains, and finds
/// those that several lookups share. A user whose share or whose domain's share is used up, or who looks files up all
/// the time, gets one number for each file, which only further lookups of the same user get too. The lock of <see
/// cref="NodeTable"/> guards it.
/// </summary>
/// <param name="time">The clock.</param>
internal sealed class FileNumbers(TimeProvider time)
{
    /// <summary>
    /// The most numbers of all users together, shared ones not counted. Each costs some 150 bytes while the kernel
    /// holds it.
    /// </summary>
    public const int Max = 65_536;

    /// <summary>The part of these numbers that is root's in any case.</summary>
    private const int RootsReserve = 4096;

    private readonly TreeShares<Domain> _shares = new(Max, RootsReserve);
    private readonly LookupRates _rates = new(time);
    private readonly Dictionary<(Node Node, uint Uid), NodeId> _shared = [];

    /// <summary>
    /// Returns true when a lookup of a user gets a number that further lookups share. Takes a number from the user's
    /// share otherwise. Root's rate does not count: root also binds nodes into containers, for others.
    /// </summary>
    public bool MustShare(Node node, uint uid) =>
        (uid != 0 && _rates.IsMany(uid)) || !_shares.TryTake(node.Account, uid, isAdministrator: uid == 0);

    /// <summary>Finds the number that a user's lookups of a file share.</summary>
    public bool TryFind(Node node, uint uid, out NodeId id) => _shared.TryGetValue((node, uid), out id);

    /// <summary>Adds a number that was made after <see cref="MustShare"/>.</summary>
    public void Add(NodeId id, Inode inode)
    {
        if (inode is { IsShared: true, Uid: { } uid })
        {
            _shared[(inode.Node, uid)] = id;
        }
    }

    /// <summary>Adds a number of an earlier daemon. It counts, even beyond its user's share.</summary>
    public void Resume(NodeId id, Inode inode)
    {
        Add(id, inode);
        if (inode is { IsShared: false, Uid: { } uid })
        {
            _shares.Take(inode.Node.Account, uid);
        }
    }

    /// <summary>Removes a number. Does nothing for a node's own.</summary>
    public void Remove(Inode inode)
    {
        if (inode.Uid is not { } uid)
        {
            return;
        }

        if (inode.IsShared)
        {
            _shared.Remove((inode.Node, uid));
        }
        else
        {
            _shares.Return(inode.Node.Account, uid);
        }
    }
}
