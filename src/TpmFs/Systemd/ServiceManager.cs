using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Serilog;

namespace TpmFs.Systemd;

/// <summary>
/// Tells the service manager that started the daemon how the daemon is (systemd.service(5), Type=notify). Sends nothing
/// where no service manager asks. Any thread.
/// </summary>
internal sealed class ServiceManager
{
    private readonly bool _listens;
    private readonly TimeSpan? _watchdogTime;

    private ServiceManager(bool listens, TimeSpan? watchdogTime) => (_listens, _watchdogTime) = (listens, watchdogTime);

    public static ServiceManager Find(ILogger log)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is null or "")
        {
            return new ServiceManager(listens: false, null);
        }

        if (!LibSystemd.IsHere)
        {
            log.Warning(
                "the service manager waits for word that tpmfs is ready (NOTIFY_SOCKET), and tpmfs cannot send it: "
                + "libsystemd.so.0 is not there. "
                + "Install it (on Debian the package libsystemd0), or start tpmfs by a unit with Type=simple");
            return new ServiceManager(listens: false, null);
        }

        return new ServiceManager(listens: true, LibSystemd.WatchdogTime());
    }

    /// <summary>True when a service manager wants to know how the daemon is.</summary>
    public bool IsThere => _listens;

    public void Ready(string status) => Tell($"READY=1\n{Line(status)}");

    public void Status(string status) => Tell(Line(status));

    /// <summary>A reload begins; <see cref="Ready"/> ends it.</summary>
    public void Reloading() =>
        Tell(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={MonotonicMicroseconds}"));

    public void Stopping() => Tell($"STOPPING=1\n{Line("stopping")}");

    /// <summary>
    /// Lets it know that requests are served, where it wants to, until what this returns is disposed of.
    /// </summary>
    /// <param name="beat">See <see cref="Watchdog"/>.</param>
    public IDisposable? Watch(Func<Task> beat) =>
        _watchdogTime is { } time ? new Watchdog(time, beat, () => Tell("WATCHDOG=1"), TimeProvider.System) : null;

    /// <summary>
    /// Has the service manager keep a descriptor for the next process of this service, even if this one is killed
    /// (FileDescriptorStoreMax= in systemd.service(5)). It does not poll the descriptor: it would wake up for each
    /// request otherwise, and close the descriptor at the first error.
    /// </summary>
    /// <param name="name">
    /// The name under which the next process gets it; one that is kept under this name already goes.
    /// </param>
    /// <returns>The reason why the service manager does not get it; no error where there is none.</returns>
    public Errno Store(string name, SafeHandle descriptor)
    {
        Forget(name);
        int sent = _listens ? LibSystemd.NotifyWith(descriptor, $"FDSTORE=1\nFDNAME={name}\nFDPOLL=0") : 0;
        return new Errno(Math.Max(0, -sent));
    }

    /// <summary>Has the service manager close what it keeps under a name.</summary>
    public void Forget(string name) => Tell($"FDSTOREREMOVE=1\nFDNAME={name}");

    /// <summary>CLOCK_MONOTONIC, which is what the runtime counts by on Linux.</summary>
    private static long MonotonicMicroseconds => (long)Stopwatch.GetElapsedTime(0).TotalMicroseconds;

    private static string Line(string status) => $"STATUS={OutsideText.Line(status)}";

    /// <summary>
    /// Sends a message. A message that the service manager does not take is lost: if it matters, the manager's time
    /// limits run out, and the manager says so itself.
    /// </summary>
    private void Tell(string state)
    {
        if (_listens)
        {
            _ = LibSystemd.Notify(state);
        }
    }
}
