using TpmFs.Configuration;
using TpmFs.Tpm;

namespace TpmFs.Life;

/// <summary>What a daemon is to do, settled from the command line and the configuration.</summary>
/// <param name="Tpms">By their numbers; at least one.</param>
/// <param name="Config">The configuration's file, read again when the daemon is told to.</param>
internal sealed record DaemonPlan(IReadOnlyList<TpmPlan> Tpms, Settings Settings, SettingsSource Config, Places Places);

/// <summary>A TPM that is to be served.</summary>
/// <param name="Number">Counted from 0.</param>
/// <param name="Way">The way to it, as the user wrote it.</param>
/// <param name="Transport">The same, not connected yet. Disposed of by whoever made it, after the daemon has ended.</param>
internal sealed record TpmPlan(int Number, string Way, ITpmTransport Transport)
{
    /// <summary>A device appears when its driver has found it, which may be after the daemon was started.</summary>
    public bool MayAppear => Way.StartsWith("device:", StringComparison.Ordinal);
}
