using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// Takes what the manager tells an administrator. The manager's thread calls it; the methods must not block.
/// </summary>
public interface IResourceManagerLog
{
    /// <summary>Tells that the way to the TPM is lost. The manager tries it again.</summary>
    void TpmLost(string problem);

    /// <summary>Tells that a TPM that was not there when the manager started is there now.</summary>
    void TpmFound(TpmFacts facts);

    /// <summary>Tells that the TPM is back. Owners have lost what the TPM forgot meanwhile.</summary>
    void TpmBack(TpmReturn how);

    /// <summary>Tells that an owner lost a session because the TPM had none left for a user who waits.</summary>
    void SessionTaken(SpaceOwner from, TpmHandle session);

    /// <summary>Tells of a bug. If a command was affected, its opener gets an input/output error.</summary>
    void Fault(Exception exception);
}

/// <summary>Says what happened to the TPM while it was away (Part 1, 12.2).</summary>
public enum TpmReturn
{
    /// <summary>Only the link was lost.</summary>
    Unchanged,

    /// <summary>TPM Resume or TPM Restart: what was loaded is gone, what was saved may still be loaded.</summary>
    Restarted,

    /// <summary>TPM Reset: everything is gone.</summary>
    Reset,
}
