using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>The command that a TPM has at this moment and has not answered.</summary>
/// <param name="Code">Its code; null when an earlier daemon sent it.</param>
/// <param name="Waited">How long the daemon has waited for the response.</param>
public readonly record struct UnansweredCommand(TpmCc? Code, TimeSpan Waited);
