using Tmds.DBus.Protocol;
using TpmFs.Clients;

namespace TpmFs.Doors.DBus;

/// <summary>
/// A program that calls on the bus, as the bus knows it. The bus learnt uid, groups and pid from the kernel when the
/// program connected, and gives no unique name twice while it runs. So none of these can be forged, and another process
/// that gets the same pid later is not taken for the caller.
/// </summary>
/// <param name="Bus">
/// The daemon's connection to the bus that knows the caller. Another bus may use the name again.
/// </param>
/// <param name="Name">The unique name.</param>
/// <param name="Groups">The groups; null when the bus does not tell them.</param>
internal sealed record BusCaller(DBusConnection Bus, string Name, uint Uid, uint Pid, IReadOnlyCollection<uint>? Groups)
{
    /// <summary>Returns the caller in the form that conversations use.</summary>
    public Caller ToCaller() => new(Uid, Groups is { Count: > 0 } ? Groups.First() : Uid, Pid) { Door = DoorKind.Dbus };

    /// <summary>True when a message of this name, on this bus, is the caller's.</summary>
    public bool Is(DBusConnection bus, string name) => ReferenceEquals(bus, Bus) && name == Name;

    /// <summary>Asks the bus for the identity of a sender.</summary>
    /// <exception cref="DBusErrorReplyException">The sender has gone.</exception>
    /// <exception cref="DBusConnectionException">The bus has gone.</exception>
    public static async Task<BusCaller?> FindAsync(DBusConnection bus, string name)
    {
        Dictionary<string, VariantValue> told = await bus.CallMethodAsync(
            Question(bus, name),
            static (Message answer, object? _) => answer.GetBodyReader().ReadDictionaryOfStringToVariantValue())
            .ConfigureAwait(false);
        return TryGetNumber(told, "UnixUserID", out uint uid) && TryGetNumber(told, "ProcessID", out uint pid)
            ? new BusCaller(bus, name, uid, pid, GroupsIn(told)) : null;
    }

    /// <summary>
    /// Asks the bus for its id. The bus's answer shows that it has read everything that was sent before.
    /// </summary>
    /// <exception cref="DBusConnectionException">The bus has gone.</exception>
    public static Task AskBusAsync(DBusConnection bus)
    {
        using MessageWriter writer = bus.GetMessageWriter();
        writer.WriteMethodCallHeader(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId");
        return bus.CallMethodAsync(writer.CreateMessage());
    }

    private static MessageBuffer Question(DBusConnection bus, string name)
    {
        using MessageWriter writer = bus.GetMessageWriter();
        writer.WriteMethodCallHeader(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionCredentials", "s");
        writer.WriteString(name);
        return writer.CreateMessage();
    }

    private static bool TryGetNumber(Dictionary<string, VariantValue> told, string key, out uint number)
    {
        bool isTold = told.TryGetValue(key, out VariantValue value) && value.Type == VariantValueType.UInt32;
        number = isTold ? value.GetUInt32() : 0;
        return isTold;
    }

    private static uint[]? GroupsIn(Dictionary<string, VariantValue> told) =>
        told.TryGetValue("UnixGroupIDs", out VariantValue value)
            && value.Type == VariantValueType.Array
            && value.ItemType == VariantValueType.UInt32
            ? value.GetArray<uint>() : null;
}
