namespace TpmFs.Rm.Ledger;

/// <summary>Says how far an exchange with the TPM has come. The numbers are part of the format.</summary>
internal enum ExchangePhase
{
    /// <summary>There is no exchange, or it is over and its effects are in the ledger.</summary>
    None,

    /// <summary>The command is being sent; the TPM may have it or not.</summary>
    Sending,

    /// <summary>The TPM has the whole command. The response may be there, in part or as a whole.</summary>
    Sent,

    /// <summary>The whole response is there. Its effects may not be in the ledger yet.</summary>
    Received,
}
