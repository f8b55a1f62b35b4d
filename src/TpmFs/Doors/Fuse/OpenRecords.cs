using TpmFs.Fuse;
using TpmFs.Records;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// Writes down the open files of all connections with the kernel, and knows those that were open in an earlier daemon.
/// Any thread.
/// </summary>
/// <param name="store">Null where no daemon is to go on.</param>
internal sealed class OpenRecords(RecordStore? store)
{
    private readonly RecordedCounter _opens = new(store, CounterName.Opens);
    private readonly ILookup<uint, OpenRecord> _earlier =
        (store is null ? [] : OpenRecord.Adopt(store)).ToLookup(record => record.Connection);

    /// <summary>Gets the files that were open in an earlier daemon, on any connection.</summary>
    public IEnumerable<OpenRecord> Earlier => _earlier.SelectMany(group => group);

    /// <summary>Returns the files that were open on a connection in an earlier daemon.</summary>
    public IEnumerable<OpenRecord> EarlierOf(uint connection) => _earlier[connection];

    /// <summary>Removes the files of connections with which this daemon does not go on.</summary>
    /// <param name="goOn">True of the connections that go on.</param>
    public void ForgetOthers(Func<uint, bool> goOn)
    {
        foreach (OpenRecord lost in Earlier.Where(record => !goOn(record.Connection)))
        {
            lost.Remove();
        }
    }

    /// <summary>Gives an open file its number, and writes the file down.</summary>
    /// <param name="connection">The connection on which the kernel opens it.</param>
    /// <param name="node">The number by which the kernel opens it.</param>
    /// <param name="opener">The caller and the request.</param>
    /// <param name="flags">The flags of open(2).</param>
    /// <param name="conversation">The number of its conversation; 0 where it has none.</param>
    public OpenRecord Begin(uint connection, NodeId node, in FuseCaller opener, uint flags, ulong conversation)
    {
        var id = new OpenId(_opens.Next());
        return OpenRecord.Begin(store, id, new OpenRequest(connection, node, opener, flags), conversation);
    }
}

/// <summary>Names the request that opens a file.</summary>
/// <param name="Connection">The connection by which it came.</param>
/// <param name="Node">The number by which the kernel opens the file.</param>
/// <param name="Opener">The caller.</param>
/// <param name="Flags">The flags of open(2).</param>
internal readonly record struct OpenRequest(uint Connection, NodeId Node, FuseCaller Opener, uint Flags);
