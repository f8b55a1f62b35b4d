using TpmFs.Configuration;
using TpmFs.Tpm;

namespace TpmFs.Life;

/// <summary>What a daemon is to do, settled from the command line and the configuration.</summary>
/// <param name="Tpm">The way to the TPM, as the user wrote it.</param>
/// <param name="Config">The configuration's file, read again when the daemon is told to.</param>
/// <param name="Transport">The same, not connected yet. Disposed of by whoever made it, after the daemon has ended.</param>
internal sealed record DaemonPlan(string Tpm, ITpmTransport Transport, Settings Settings, SettingsSource Config, Places Places);
