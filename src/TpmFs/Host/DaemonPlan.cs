using TpmFs.Configuration;
using TpmFs.HandOver;
using TpmFs.Policy;
using TpmFs.Tpm;
using TpmFs.Tpm.Transports;

namespace TpmFs.Host;

/// <summary>The daemon's task, settled from the command line and the configuration.</summary>
/// <param name="Tpms">By their numbers; at least one.</param>
/// <param name="Config">The configuration's file, read again when the daemon is told to.</param>
internal sealed record DaemonPlan(IReadOnlyList<TpmPlan> Tpms, Settings Settings, SettingsSource Config, Places Places)
{
    /// <summary>Gets what tells to whose share a user's doings are put down.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Gets which nodes have character devices.</summary>
    public IReadOnlyList<DeviceRule> Devices { get; init; } = [];

    /// <summary>Gets the program that takes the daemon's place when it hands over.</summary>
    public Successor Successor { get; } = new(Environment.ProcessPath!);
}

/// <summary>A TPM that is to be served.</summary>
/// <param name="Number">Counted from 0.</param>
/// <param name="Spec">The way to it.</param>
/// <param name="Transport">
/// The same, not connected yet. Disposed of by whoever made it, after the daemon has ended.
/// </param>
internal sealed record TpmPlan(int Number, TransportSpec Spec, ITpmTransport Transport)
{
    /// <summary>The way to it, as the user wrote it.</summary>
    public string Way => Spec.Text;
}
