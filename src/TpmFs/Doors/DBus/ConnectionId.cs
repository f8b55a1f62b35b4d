using Microsoft.Win32.SafeHandles;
using Tmds.DBus.Protocol;

namespace TpmFs.Doors.DBus;

/// <summary>
/// The number by which the bus names a connection. The library that writes messages sends a descriptor only together
/// with its place among the message's descriptors, a UINT32, and tpm2-abrmd's signature has no room for that. So the
/// place, which is 0, is the first half of the id, a UINT64 in the machine's byte order; the connection's number is the
/// second half.
/// </summary>
internal static class ConnectionId
{
    private const int Half = 32;

    /// <summary>Returns the id of a connection.</summary>
    public static ulong Of(uint number) => BitConverter.IsLittleEndian ? (ulong)number << Half : number;

    /// <summary>Returns the number of the connection that has an id, if any has.</summary>
    public static uint NumberOf(ulong id) => (uint)(BitConverter.IsLittleEndian ? id >> Half : id);

    /// <summary>Answers CreateConnection: with an id, as a UINT64, and the client's end.</summary>
    public static void Reply(DBusConnection bus, BusCall call, SafeFileHandle theirs, uint number)
    {
        using MessageWriter answer = call.BeginReply(bus, "t");
        answer.WriteHandle(theirs);
        answer.WriteUInt32(number);
        bus.TrySendMessage(answer.CreateMessage());
    }
}
