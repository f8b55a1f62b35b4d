namespace TpmFs.Rm.Channel;

/// <summary>Represents the TPM, as the manager's thread knows it.</summary>
/// <param name="Channel">Sends it commands.</param>
/// <param name="Profile">Tells what the TPM says of itself.</param>
internal sealed record TpmEndpoint(TpmChannel Channel, TpmProfile Profile);
