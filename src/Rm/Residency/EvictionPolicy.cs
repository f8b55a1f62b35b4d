namespace TpmFs.Rm;

/// <summary>
/// Which resident object leaves: the one whose next use seems farthest off. An object that comes back is expected to do
/// so after as many uses of others as the last time; one that is overdue, or was used once, after as many as it has
/// waited already. Work that goes round in more objects than there are slots, the worst case of "least recently used",
/// so keeps a part of them in place, and everything else fares as well as under that rule or better. Used by the
/// manager's thread alone.
/// </summary>
internal sealed class EvictionPolicy
{
    /// <summary>Uses of any object since the start: the policy's clock.</summary>
    private long _uses;

    /// <summary>
    /// An object is put into the TPM. Making one counts as its use, without which it would be the first to leave.
    /// </summary>
    public void Enter(TransientObject entered)
    {
        if (entered.LastUse == 0)
        {
            entered.LastUse = _uses;
        }
    }

    public void Observe(TransientObject used)
    {
        _uses++;
        used.Interval = used.LastUse > 0 ? _uses - used.LastUse : 0;
        used.LastUse = _uses;
    }

    /// <summary>The resident to evict, of those that the plan does not name; null when there is none.</summary>
    public TransientObject? Choose(List<TransientObject> residents, CommandPlan? plan)
    {
        TransientObject? choice = null;
        long farthest = -1;
        foreach (TransientObject resident in residents)
        {
            long wait = WaitOf(resident);
            if (wait > farthest && plan?.Objects.Contains(resident) != true)
            {
                choice = resident;
                farthest = wait;
            }
        }

        return choice;
    }

    /// <summary>How many uses from now the object is expected to be used again.</summary>
    private long WaitOf(TransientObject resident)
    {
        long age = _uses - resident.LastUse;
        return resident.Interval > age ? resident.Interval - age : age;
    }
}
