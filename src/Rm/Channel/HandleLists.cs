using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Channel;

/// <summary>Holds the TPM's own lists of all handles that it has (TPM_CAP_HANDLES).</summary>
internal sealed class HandleLists
{
    private HandleLists()
    {
    }

    public List<TpmHandle> Transient { get; } = [];

    /// <summary>
    /// The handles of loaded sessions. Only the low 24 bits, the index, tell one session from another.
    /// </summary>
    public List<TpmHandle> Loaded { get; } = [];

    /// <summary>
    /// The handles of saved sessions. Only the low 24 bits, the index, tell one session from another.
    /// </summary>
    public List<TpmHandle> Saved { get; } = [];

    /// <summary>Asks the TPM for the lists.</summary>
    public static TpmStepResult Read(TpmProfile profile, out HandleLists lists)
    {
        lists = new HandleLists();
        TpmStepResult step = profile.ReadHandles(TpmHt.Transient, lists.Transient);
        step = step == TpmStepResult.Done ? profile.ReadHandles(TpmHt.LoadedSession, lists.Loaded) : step;
        return step == TpmStepResult.Done ? profile.ReadHandles(TpmHt.SavedSession, lists.Saved) : step;
    }
}
