using TpmFs.Rm.Ledger;

namespace TpmFs.Rm.Objects;

/// <summary>
/// Decides which resident object leaves: the one whose next use seems farthest off. An object is expected to be used
/// again after as many uses of other objects as the last time. An object that is overdue, or was used only once, is
/// expected after as many uses as it has waited already. Work that uses more objects in turn than there are slots is
/// the worst case of "least recently used"; this rule keeps some of them in place. All other work does as well as under
/// that rule, or better.
/// </summary>
internal static class EvictionPolicy
{
    /// <summary>Returns the resident to evict, of those that the plan does not name; null when there is none.</summary>
    public static TransientObject? Choose(ObjectLedger objects, CommandPlan? plan)
    {
        TransientObject? choice = null;
        long farthest = -1;
        for (int i = 0; i < objects.Residents.Count; i++)
        {
            TransientObject resident = objects.Residents[i];
            long wait = WaitOf(resident, objects.Uses);
            if (wait > farthest && plan?.Objects.Contains(resident) != true)
            {
                choice = resident;
                farthest = wait;
            }
        }

        return choice;
    }

    /// <summary>Returns how many uses from now the object is expected to be used again.</summary>
    /// <param name="uses">Uses of any object so far: the policy's clock.</param>
    private static long WaitOf(TransientObject resident, long uses)
    {
        long age = uses - resident.LastUse;
        return resident.Interval > age ? resident.Interval - age : age;
    }
}
