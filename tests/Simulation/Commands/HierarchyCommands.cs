namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 24: what changes hierarchies, and with them the objects in them.</summary>
internal static class HierarchyCommands
{
    public static uint HierarchyControl(TpmCore tpm, TpmCall call)
    {
        uint enable = call.In.Next().U32();
        call.In.Require(Handles.IsHierarchy(enable) || enable == Handles.PlatformNv, Rc.Value);
        byte state = call.In.Next().U8();
        call.In.Require(state <= 1, Rc.Value);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        bool isOn = tpm.State.Hierarchies.IsEnabled(enable);
        bool byPlatform = call.Handle(0) == Handles.Platform;
        bool byItself = call.Handle(0) == enable && enable is Handles.Owner or Handles.Endorsement;
        if (!byPlatform && !(byItself && (isOn || state == 0)))
        {
            return Rc.AuthType;
        }

        if (isOn != (state == 1))
        {
            tpm.State.Hierarchies.Enable(enable, state == 1);
            tpm.State.Disturb();
            if (state == 0 && enable != Handles.PlatformNv)
            {
                FlushLoaded(tpm, enable);
            }
        }

        return Rc.Success;
    }

    public static uint Clear(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        HierarchyState hierarchies = tpm.State.Hierarchies;
        hierarchies.ChangeSeed(Handles.Owner);
        hierarchies.ChangeProof(Handles.Owner);
        hierarchies.ChangeProof(Handles.Endorsement);
        hierarchies.Enable(Handles.Owner, true);
        hierarchies.Enable(Handles.Endorsement, true);
        foreach (uint handle in (uint[])[Handles.Owner, Handles.Endorsement, Handles.LockoutHandle])
        {
            hierarchies.SetAuth(handle, []);
        }

        FlushAll(tpm, Handles.Owner);
        FlushAll(tpm, Handles.Endorsement);
        tpm.State.DictionaryAttack.FailedTries = 0;
        tpm.State.ClearCounters();
        tpm.State.Audit.ClearCounter();
        tpm.State.Pcrs.UpdateCounter++;
        tpm.State.Disturb();
        return Rc.Success;
    }

    public static uint ChangeEps(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        HierarchyState hierarchies = tpm.State.Hierarchies;
        hierarchies.ChangeSeed(Handles.Endorsement);
        hierarchies.ChangeProof(Handles.Endorsement);
        hierarchies.Enable(Handles.Endorsement, true);
        hierarchies.SetAuth(Handles.Endorsement, []);
        FlushAll(tpm, Handles.Endorsement);
        tpm.State.Disturb();
        return Rc.Success;
    }

    public static uint ChangePps(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        tpm.State.Hierarchies.ChangeSeed(Handles.Platform);
        tpm.State.Hierarchies.ChangeProof(Handles.Platform);
        FlushAll(tpm, Handles.Platform);
        tpm.State.Disturb();
        return Rc.Success;
    }

    public static uint HierarchyChangeAuth(TpmCore tpm, TpmCall call)
    {
        byte[] auth = call.In.Next().Sized(64).ToArray();
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        tpm.State.Hierarchies.SetAuth(call.Handle(0), auth);
        if (call.Handle(0) == Handles.Platform)
        {
            tpm.State.Disturb();
        }

        return Rc.Success;
    }

    private static void FlushLoaded(TpmCore tpm, uint hierarchy) =>
        tpm.FlushLoaded(item => item.Hierarchy == hierarchy);

    private static void FlushAll(TpmCore tpm, uint hierarchy)
    {
        FlushLoaded(tpm, hierarchy);
        foreach (uint handle in tpm.State.Persistent.Where(p => p.Value.Hierarchy == hierarchy).Select(p => p.Key)
            .ToArray())
        {
            tpm.State.Persistent.Remove(handle);
        }
    }
}
