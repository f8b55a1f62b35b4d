using TpmFs.Rm.Channel;
using TpmFs.Rm.Ledger;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Upkeep;

/// <summary>
/// Compares the TPM's own lists of handles (TPM_CAP_HANDLES) with the ledger, and makes the two agree. Used by the
/// manager's thread alone.
/// </summary>
/// <param name="isAlone">True when the manager is the TPM's only user.</param>
internal sealed class Reconciliation(TpmEndpoint tpm, TpmLedger ledger, bool isAlone)
{
    /// <summary>
    /// If the manager is the TPM's only user, flushes what the TPM holds and the ledger does not have. An earlier
    /// daemon, or a command that was under way when the link was lost, has left that there.
    /// </summary>
    public TpmStepResult FlushUnknown()
    {
        if (!isAlone)
        {
            return TpmStepResult.Done;
        }

        TpmStepResult step = HandleLists.Read(tpm.Profile, out HandleLists lists);
        foreach (TpmHandle handle in lists.Transient.Concat(lists.Loaded).Concat(lists.Saved))
        {
            bool isKnown = handle.IsTransient ? ledger.Objects.Holds(handle) : ledger.Sessions.Holds(handle);
            step = step == TpmStepResult.Done && !isKnown ? tpm.Channel.FlushContext(handle).AsStep() : step;
        }

        return step;
    }

    /// <summary>
    /// Drops from the ledger what the TPM does not hold any more. The ledger may be one step behind: the last manager
    /// may have ended after a command and before it recorded that command.
    /// </summary>
    public TpmStepResult DropMissing()
    {
        TpmStepResult step = HandleLists.Read(tpm.Profile, out HandleLists lists);
        if (step != TpmStepResult.Done)
        {
            return step;
        }

        HashSet<TpmHandle> transient = [.. lists.Transient];
        HashSet<uint> loaded = [.. lists.Loaded.Select(handle => handle.Index)];
        HashSet<uint> saved = [.. lists.Saved.Select(handle => handle.Index)];
        ledger.Objects.KeepOnly(resident => transient.Contains(resident.Resident!.Value), transient.Contains);
        foreach (Session session in ledger.Sessions.All.ToArray())
        {
            uint index = session.Handle.Index;
            if (!session.IsLoaded && loaded.Contains(index))
            {
                ledger.Sessions.Load(session);
            }
            else if (session.IsLoaded && !loaded.Contains(index) && saved.Contains(index))
            {
                ledger.Sessions.Doom(session); // The TPM would load only a context that the ledger does not have.
            }
            else if (!loaded.Contains(index) && !saved.Contains(index))
            {
                ledger.Sessions.End(session);
            }
        }

        foreach (SpaceRecord space in ledger.Spaces.All)
        {
            space.ForgetLost(ledger.Objects.End);
        }

        return TpmStepResult.Done;
    }
}
