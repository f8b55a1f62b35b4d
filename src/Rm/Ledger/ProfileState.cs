namespace TpmFs.Rm.Ledger;

/// <summary>
/// What a TPM says of itself, as numbers of the wire, so that a snapshot can keep it: asking again would end an
/// exclusive audit session.
/// </summary>
/// <param name="Commands">TPMA_CC of each command.</param>
/// <param name="Properties">TPM_PT and value of each property.</param>
/// <param name="Audited">TPM_CC of each audited command; null when they are not known.</param>
internal sealed record ProfileState(
    IReadOnlyList<uint> Commands, IReadOnlyList<(uint Property, uint Value)> Properties, IReadOnlyList<uint>? Audited);
