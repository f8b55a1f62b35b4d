namespace TpmFs.Simulation;

/// <summary>
/// Does a command. Parameters are read from the call, and all of them before anything is changed; success writes the
/// response.
/// </summary>
internal delegate uint CommandAction(TpmCore tpm, TpmCall call);

/// <summary>The properties of a command that are known before its parameters are read.</summary>
/// <param name="Attributes">TPMA_CC (Part 2, 8.9), as the reference implementation reports it.</param>
/// <param name="HandleKinds">Its handle area.</param>
/// <param name="Authorizations">The number of the handles, from the first, that need an authorization session.</param>
/// <param name="Action">Carries the command out.</param>
internal sealed record CommandDescriptor(
    uint Attributes, HandleKind[] HandleKinds, int Authorizations, CommandAction Action)
{
    private const uint VendorBit = 1 << 29;

    /// <summary>The command code, with the V bit of a vendor command.</summary>
    public uint Code => Attributes & (VendorBit | 0xFFFF);

    public bool HasResponseHandle => (Attributes & (1 << 28)) != 0;

    public bool AllowsSessions { get; init; } = true;

    /// <summary>True when the first parameter is a TPM2B, so that a session can decrypt it.</summary>
    public bool CanDecrypt { get; init; }

    /// <summary>True when the first response parameter is a TPM2B, so that a session can encrypt it.</summary>
    public bool CanEncrypt { get; init; }
}
