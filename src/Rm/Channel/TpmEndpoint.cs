namespace TpmFs.Rm.Channel;

/// <summary>The TPM as the manager's thread knows it.</summary>
/// <param name="Channel">Sends it commands.</param>
/// <param name="Profile">Tells what it says of itself.</param>
internal sealed record TpmEndpoint(TpmChannel Channel, TpmProfile Profile);
