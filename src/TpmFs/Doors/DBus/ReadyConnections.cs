using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using TpmFs.Policy;

namespace TpmFs.Doors.DBus;

/// <summary>
/// The connections that have changed, until a thread serves them. Users take turns. One thread at a time.
/// </summary>
internal sealed class ReadyConnections
{
    private readonly TurnQueue<uint, ClientSocket> _turns = new(); // each connection once; users as payers
    private readonly Dictionary<ClientSocket, FileChanges> _changes = []; // of each connection in _turns

    /// <summary>True when a connection waits.</summary>
    public bool Any => _turns.Any;

    public void Add(ClientSocket connection, FileChanges changes)
    {
        ref FileChanges all =
            ref CollectionsMarshal.GetValueRefOrAddDefault(_changes, connection, out bool isWaiting);
        all |= changes;
        if (!isWaiting)
        {
            _turns.Add(connection.Identity.Client.Payer, connection);
        }
    }

    /// <summary>Takes the connection whose turn it is, with all its changes.</summary>
    /// <returns>False when none waits.</returns>
    public bool TryTake([NotNullWhen(true)] out ClientSocket? connection, out FileChanges changes)
    {
        changes = FileChanges.None;
        return _turns.TryTake(out connection) && _changes.Remove(connection, out changes);
    }
}
