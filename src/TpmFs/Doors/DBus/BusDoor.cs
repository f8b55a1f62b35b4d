using System.Globalization;
using Serilog;
using TpmFs.Configuration;

namespace TpmFs.Doors.DBus;

/// <summary>
/// Lets clients of tpm2-abrmd in: by its name on D-Bus, and by the sockets that calls there give out.
/// </summary>
internal sealed class BusDoor : IDisposable
{
    private readonly BusSettings _settings;
    private readonly SocketThreads _sockets;
    private readonly BusPresence _presence;

    private BusDoor(BusSettings settings, SocketThreads sockets, BusPresence presence) =>
        (_settings, _sockets, _presence) = (settings, sockets, presence);

    /// <summary>Gets a description of one line for people.</summary>
    public string Status => _presence.Problem.Length > 0 ? $"NOT THERE; {_presence.Problem}"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"{_settings.Name} on the {_settings.BusName} bus; connections: {_sockets.OpenCount}");

    /// <summary>Opens the door, as soon as there is a bus.</summary>
    /// <returns>Null when the door cannot be opened, which is logged.</returns>
    public static BusDoor? Open(BusSettings settings, IBusAdmission admission, ILogger log)
    {
        Errno error = SocketThreads.Start(log, out SocketThreads? sockets);
        if (sockets is null)
        {
            log.Error("{Name} is not served on D-Bus: {Problem}", settings.Name, error.Text());
            return null;
        }

        var presence = new BusPresence(settings, bus => new TabrmdObject(bus, admission, sockets, log), log);
        presence.Start();
        return new BusDoor(settings, sockets, presence);
    }

    /// <summary>Gives the name back, and closes all connections. Idempotent.</summary>
    public void Close()
    {
        _presence.Dispose();
        _sockets.Stop();
    }

    public void Dispose()
    {
        Close();
        _sockets.Dispose();
    }
}
