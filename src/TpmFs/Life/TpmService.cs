using System.Diagnostics.CodeAnalysis;
using Serilog;
using TpmFs.Configuration;
using TpmFs.Logs;
using TpmFs.Nodes;
using TpmFs.Rm;
using TpmFs.Tpm;
using TpmFs.Tpm.Transports;

namespace TpmFs.Life;

/// <summary>A TPM and its resource manager, running.</summary>
internal sealed class TpmService : IDisposable
{
    private readonly ITpmTransport transport;
    private readonly ResourceManager manager;

    private TpmService(ITpmTransport transport, ResourceManager manager)
    {
        this.transport = transport;
        this.manager = manager;
    }

    public TpmPort Port => new(manager.MaxCommandSize, manager.OpenSpace);

    public static bool TryStart(DaemonPlan plan, ILogger log, [NotNullWhen(true)] out TpmService? service, out string problem)
    {
        service = null;
        var environment = new TransportEnvironment { StateDirectory = plan.Places.StateDirectory, RuntimeDirectory = plan.Places.RuntimeDirectory };
        if (!TransportFactory.TryCreate(plan.Tpm, environment, out var transport, out problem))
        {
            return false;
        }

        var manager = new ResourceManager(transport, Options(plan.Tpm, plan.Settings), TimeProvider.System, new ManagerLog(log));
        if (!manager.TryStart(out problem))
        {
            manager.Dispose();
            transport.Dispose();
            return false;
        }

        service = new TpmService(transport, manager);
        return true;
    }

    /// <summary>Ends what runs, gives the TPM back, then leaves it. Idempotent.</summary>
    public void Dispose()
    {
        manager.Dispose();
        transport.Dispose();
    }

    /// <summary>A TPM of tpmfs's own is nobody else's: what it holds at the start is left over, and no slot need be kept free.</summary>
    internal static ResourceManagerOptions Options(string tpm, Settings settings) => new()
    {
        IdleRelease = settings.IdleRelease,
        ReserveObjects = settings.ReserveObjects ?? 0,
        ReserveSessions = settings.ReserveSessions ?? 0,
        FlushAtStart = settings.FlushAtStart ?? (tpm == "embedded" || tpm.StartsWith("embedded:", StringComparison.Ordinal)),
    };
}
