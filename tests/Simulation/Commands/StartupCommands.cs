namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 9 and 10: start-up, shutdown, self-test.</summary>
internal static class StartupCommands
{
    public static uint Startup(TpmCore tpm, TpmCall call)
    {
        bool state = StartupType(call.In);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (call.Locality is not (0 or 3))
        {
            return Rc.Locality;
        }

        uint code = tpm.State.Startup(state, tpm.Sessions.Startup);
        if (code == Rc.Success)
        {
            tpm.Objects.Flush(_ => true);
        }

        return code;
    }

    public static uint Shutdown(TpmCore tpm, TpmCall call)
    {
        bool state = StartupType(call.In);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        tpm.State.Shutdown(state, tpm.Sessions.Preserve());
        return Rc.Success;
    }

    public static uint SelfTest(TpmCore tpm, TpmCall call)
    {
        call.In.Require(call.In.Next().U8() <= 1, Rc.Value);
        return call.In.End();
    }

    private static bool StartupType(CommandReader reader)
    {
        ushort type = reader.Next().U16();
        reader.Require(type <= 1, Rc.Value);
        return type == 1;
    }
}
