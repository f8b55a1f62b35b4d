using Serilog;
using Tmds.DBus.Protocol;
using TpmFs.Configuration;
using TpmFs.Logs;

namespace TpmFs.Doors.DBus;

/// <summary>
/// Keeps a name on a bus, which may come, go and come again: connects, takes the name, and does so again when the bus
/// is lost. Connections that are open need no bus, and go on.
/// </summary>
/// <param name="settings">The name, and the bus.</param>
/// <param name="serve">Makes the object that answers calls, for each connection to the bus.</param>
internal sealed class BusPresence(BusSettings settings, Func<DBusConnection, IPathMethodHandler> serve, ILogger log)
    : IDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(25);

    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;
    private string _said = "";
    private volatile string _problem = "it is not connected yet";

    /// <summary>Gets the reason why no program can call; empty while programs can.</summary>
    public string Problem => _problem;

    private string Where => $"{settings.Name} on the {settings.BusName} bus";

    public void Start() => _keeping = KeepAsync();

    /// <summary>Gives the name back. Idempotent.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _keeping.Wait();
    }

    private async Task KeepAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            await ServeOnceAsync().ConfigureAwait(false);
            await Task.Delay(s_pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Connects, and serves until the bus is lost or this stops.</summary>
    private async Task ServeOnceAsync()
    {
        if (settings.Address is not { } address)
        {
            Say($"{Where} is not served: the address of the {settings.BusName} bus is not known "
                + "(DBUS_SESSION_BUS_ADDRESS). The nodes are served all the same");
            return;
        }

        using var bus = new DBusConnection(address);
        try
        {
            await bus.ConnectAsync().AsTask().WaitAsync(s_patience, _stop.Token).ConfigureAwait(false);
            bus.AddMethodHandler(serve(bus));
            if (!await bus.TryRequestNameAsync(settings.Name, RequestNameOptions.None)
                .WaitAsync(s_patience, _stop.Token).ConfigureAwait(false))
            {
                Say($"{Where} is not served, because another program has that name: stop it (systemctl stop "
                    + "tpm2-abrmd); tpmfs tries again. The nodes are served all the same");
                return;
            }

            Serving();
            Exception? why = await bus.DisconnectedAsync().WaitAsync(_stop.Token).ConfigureAwait(false);
            Say($"{Where} is not served any more, because the bus is lost; tpmfs tries again. Connections go on, and "
                + $"so do the nodes: {why?.Message}");
        }
        catch (Exception problem) when (problem is DBusConnectFailedException or DBusConnectionException
            or DBusErrorReplyException or TimeoutException)
        {
            Say($"{Where} is not served: {problem.Message}. tpmfs tries again. The nodes are served all the same");
        }
        catch (OperationCanceledException)
        {
            // The daemon ends.
        }
    }

    private void Serving()
    {
        (_problem, _said) = ("", "");
        log.Information("{Where} is served", Where);
    }

    /// <summary>Logs a problem, once while it stays the same.</summary>
    private void Say(string problem)
    {
        _problem = problem;
        if (problem != _said)
        {
            _said = problem;
            log.Of(EventType.BusLost).Warning("{Problem}", problem);
        }
    }
}
