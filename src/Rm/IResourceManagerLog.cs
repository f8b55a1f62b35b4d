using TpmFs.Tpm.Wire;

namespace TpmFs.Rm;

/// <summary>
/// What the manager has to tell an administrator. Called by the manager's thread, which it must not hold up.
/// </summary>
public interface IResourceManagerLog
{
    /// <summary>The way to the TPM is lost; it is being tried again.</summary>
    void TpmLost(string problem);

    /// <summary>The TPM, which was not there when the manager started, is there.</summary>
    void TpmFound(TpmFacts facts);

    /// <summary>The TPM is there again; what it forgot meanwhile is gone for its owners.</summary>
    void TpmBack(TpmReturn how);

    /// <summary>A session was taken from its owner because the TPM has none left for somebody who waits.</summary>
    void SessionTaken(SpaceOwner from, TpmHandle session);

    /// <summary>A bug. Where it hit a command, the opener gets an input/output error.</summary>
    void Fault(Exception exception);
}

/// <summary>What happened to the TPM while it was away (Part 1, 12.2).</summary>
public enum TpmReturn
{
    /// <summary>Only the link was lost.</summary>
    Unchanged,

    /// <summary>TPM Resume or TPM Restart: what was loaded is gone, what was saved may still be loaded.</summary>
    Restarted,

    /// <summary>TPM Reset: everything is gone.</summary>
    Reset,
}
