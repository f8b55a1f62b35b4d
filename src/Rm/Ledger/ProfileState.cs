namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds what a TPM says of itself, as numbers of the wire. A snapshot keeps it, since asking the TPM again would end
/// an exclusive audit session.
/// </summary>
/// <param name="Commands">TPMA_CC of each command.</param>
/// <param name="Properties">TPM_PT and value of each property.</param>
/// <param name="Audited">TPM_CC of each audited command; null when they are not known.</param>
internal sealed record ProfileState(
    IReadOnlyList<uint> Commands, IReadOnlyList<(uint Property, uint Value)> Properties, IReadOnlyList<uint>? Audited);
