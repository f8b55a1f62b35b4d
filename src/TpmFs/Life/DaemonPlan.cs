using TpmFs.Configuration;

namespace TpmFs.Life;

/// <summary>What a daemon is to do, settled from the command line and the configuration.</summary>
/// <param name="Tpm">The way to the TPM, as the user wrote it.</param>
internal sealed record DaemonPlan(string Tpm, Settings Settings, Places Places);
