namespace TpmFs.Rm.Ledger;

/// <summary>Knows how many slots of one kind the TPM has.</summary>
internal sealed class SlotCount(StateRecord record)
{
    /// <summary>The slots that the TPM had while the manager held none of them.</summary>
    public int First { get; private set; } = int.MaxValue;

    /// <summary>The slots that the TPM has now, at least one.</summary>
    public int Now { get; private set; } = int.MaxValue;

    /// <summary>Records the number that the TPM reports while the manager holds no slot (TPM_PT_HR_…_AVAIL).</summary>
    public void Learn(uint slots)
    {
        int first = (int)Math.Clamp(slots, 1, int.MaxValue);
        Set(first, first);
    }

    /// <summary>Records that the TPM has no more slots than are taken now.</summary>
    public void Shrink(int taken) => Set(First, Math.Max(taken, 1));

    /// <summary>Begins to learn the count again, from the first count.</summary>
    public void Forget() => Set(First, First);

    /// <summary>Goes on with the counts of the last manager.</summary>
    public void Restore(int first, int now) => Set(Math.Max(first, 1), Math.Max(now, 1));

    private void Set(int first, int now)
    {
        if ((First, Now) != (first, now))
        {
            (First, Now) = (first, now);
            record.Changed();
        }
    }
}
