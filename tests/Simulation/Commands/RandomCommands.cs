namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 16 and 29: random numbers and the clock.</summary>
internal static class RandomCommands
{
    private const int LargestDigest = 64;

    public static uint GetRandom(TpmCore tpm, TpmCall call)
    {
        ushort count = call.In.Next().U16();
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        call.Out.Sized(tpm.NextRandom(Math.Min((int)count, LargestDigest)));
        return Rc.Success;
    }

    public static uint StirRandom(TpmCore tpm, TpmCall call)
    {
        call.In.Next().Sized(128);
        return call.In.End();
    }

    public static uint ReadClock(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        call.Out.U64(tpm.State.Time).U64(tpm.State.Clock).U32(tpm.State.ResetCount).U32(tpm.State.RestartCount).U8(1);
        return Rc.Success;
    }
}
