namespace TpmFs.Rm;

/// <summary>Says which specification a TPM follows.</summary>
public enum TpmFamily
{
    /// <summary>The TPM has not been reached yet.</summary>
    Unknown,

    /// <summary>TPM 1.2: its commands pass through raw openers; the manager does not manage its handles.</summary>
    Tpm12,

    Tpm20,
}

/// <summary>Holds the facts about a TPM and the way to it. They do not change after the TPM has been reached.</summary>
/// <param name="MaxCommandSize">
/// The largest command that the TPM takes, in bytes: TPM_PT_MAX_COMMAND_SIZE, and at least 4096 if the transport takes
/// as much.
/// </param>
/// <param name="HighestLocality">The highest locality that can be set, 0 to 4.</param>
/// <param name="Description">The description that a TPM 2.0 gives of itself; null for others.</param>
public sealed record TpmFacts(TpmFamily Family, int MaxCommandSize, byte HighestLocality, TpmDescription? Description)
{
    /// <summary>The fewest bytes of a command or response that a client may count on.</summary>
    public const int SmallestBuffer = 4096;

    /// <summary>The facts that are assumed before the TPM has been reached.</summary>
    public static readonly TpmFacts None = new(TpmFamily.Unknown, SmallestBuffer, 0, null);
}
