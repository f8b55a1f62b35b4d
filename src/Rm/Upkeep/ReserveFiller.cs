using TpmFs.Rm.Channel;
using TpmFs.Rm.Scheduling;

namespace TpmFs.Rm.Upkeep;

/// <summary>Fills the random reserve from the TPM. Used by the manager's thread alone.</summary>
internal sealed class ReserveFiller(TpmChannel channel, RandomReserve reserve)
{
    /// <summary>The number of probes for which the reserve has random bytes before the first client comes.</summary>
    private const int FirstFills = 4;

    /// <summary>True when the reserve is not full.</summary>
    public bool HasWork => reserve.Missing > 0;

    /// <summary>Adds enough bytes for the first clients, unless the TPM puts the command off.</summary>
    public void FillFirst()
    {
        for (int i = 0; i < FirstFills && Fill() == TpmStepResult.Done; i++)
        {
        }
    }

    /// <summary>Adds the bytes of one TPM2_GetRandom.</summary>
    public TpmStepResult Fill()
    {
        OwnResult result = channel.GetRandom(
            (ushort)Math.Min(RandomReserve.LargestAnswer, reserve.Missing), out ReadOnlySpan<byte> bytes);
        if (!result.Succeeded)
        {
            return result.AsStep();
        }

        reserve.Add(bytes);
        channel.WipeOwn();
        return bytes.IsEmpty ? TpmStepResult.PutOff : TpmStepResult.Done;
    }
}
