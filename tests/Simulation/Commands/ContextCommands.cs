namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 28: ContextSave, ContextLoad, FlushContext.</summary>
internal static class ContextCommands
{
    private const int MaxBlob = 8192;

    public static uint ContextSave(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        uint handle = call.Handle(0);
        if (call.ObjectOrNull(0) is { } item)
        {
            Write(tpm, call, ++tpm.State.ObjectContextId, item.SavedHandle, item.Hierarchy, item.Save());
        }
        else
        {
            byte[] content = tpm.Sessions.Loaded(handle)!.Save();
            if (tpm.Sessions.Save(handle, out ulong contextId) is not Rc.Success and var code)
            {
                return code;
            }

            Write(tpm, call, contextId, handle, Handles.Null, content);
        }

        tpm.State.Disturb();
        return Rc.Success;
    }

    public static uint ContextLoad(TpmCore tpm, TpmCall call)
    {
        call.In.Next();
        ulong sequence = call.In.U64();
        uint savedHandle = call.In.U32();
        call.In.Require(tpm.Limits.IsSession(savedHandle) || savedHandle is >= 0x80000000 and <= 0x80000002, Rc.Value);
        uint hierarchy = call.In.U32();
        call.In.Require(HandleKind.HierarchyOrNull.Allows(hierarchy), Rc.Value);
        byte[] blob = call.In.Sized(MaxBlob).ToArray();
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        var content = new CommandReader();
        uint code = ContextSeal.Open(tpm.State, hierarchy, sequence, savedHandle, blob, content);
        return code != Rc.Success ? code
            : Handles.IsSession(savedHandle) ? LoadSession(tpm, call, savedHandle, sequence, content)
            : LoadObject(tpm, call, hierarchy, content);
    }

    public static uint FlushContext(TpmCore tpm, TpmCall call)
    {
        uint handle = call.In.Next().U32();
        call.In.Require(HandleKind.Context.Allows(handle, tpm.Limits), Rc.Value);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (!(Handles.IsTransient(handle) ? tpm.Objects.Flush(handle) : tpm.Sessions.Flush(handle)))
        {
            return Rc.Handle.P(1);
        }

        if (tpm.State.ExclusiveAuditSession == handle)
        {
            tpm.State.ExclusiveAuditSession = Handles.Unassigned;
        }

        return Rc.Success;
    }

    private static void Write(
        TpmCore tpm, TpmCall call, ulong sequence, uint savedHandle, uint hierarchy, byte[] content) =>
        call.Out.U64(sequence).U32(savedHandle).U32(hierarchy)
            .Sized(ContextSeal.Seal(tpm.State, hierarchy, sequence, savedHandle, content));

    private static uint LoadObject(TpmCore tpm, TpmCall call, uint hierarchy, CommandReader content)
    {
        if (!tpm.State.Hierarchies.IsEnabled(hierarchy))
        {
            return Rc.Hierarchy.P(1);
        }

        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        call.ResponseHandle = tpm.Objects.Add(TpmObject.Load(content));
        return Rc.Success;
    }

    private static uint LoadSession(TpmCore tpm, TpmCall call, uint handle, ulong sequence, CommandReader content)
    {
        call.ResponseHandle = handle;
        uint code = tpm.Sessions.Load(handle, sequence, TpmSession.Load(content));
        if (code == Rc.Success)
        {
            tpm.State.Disturb();
        }

        return code;
    }
}
