namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 30.2: GetCapability.</summary>
internal static class CapabilityCommands
{
    private const uint Algorithms = 0;
    private const uint HandleList = 1;
    private const uint Commands = 2;
    private const uint PpCommands = 3;
    private const uint AuditedCommands = 4;
    private const uint Pcrs = 5;
    private const uint Properties = 6;
    private const uint LastCapability = 9;

    private const int MostHandles = 254;
    private const int MostCommands = 256;
    private const int MostProperties = 127;

    public static uint GetCapability(TpmCore tpm, TpmCall call)
    {
        uint capability = call.In.Next().U32();
        call.In.Require(capability <= LastCapability, Rc.Value);
        uint property = call.In.Next().U32();
        int count = (int)Math.Min(call.In.Next().U32(), int.MaxValue);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        switch (capability)
        {
            case HandleList:
                return HandlesFrom(tpm, property) is { } all
                    ? Write(call, capability, all, count, MostHandles) : Rc.Handle.P(2);
            case Commands:
                return Write(
                    call, capability, CommandTable.All.Where(c => c.Code >= property).Select(c => c.Attributes), count,
                    MostCommands);
            case AuditedCommands:
                return Write(call, capability, tpm.State.Audit.Commands.Where(c => c >= property), count, MostCommands);
            case Properties:
                return WriteProperties(tpm, call, property, Math.Min(count, MostProperties));
            case Pcrs:
                call.Out.U8(0).U32(capability);
                PcrSelection.WriteList(call.Out, [.. Hashes.All.Select(b => new PcrSelection(b, [0xFF, 0xFF, 0xFF]))]);
                return Rc.Success;
            case Algorithms or PpCommands:
            default:
                return Write(call, capability, [], count, MostCommands);
        }
    }

    /// <summary>
    /// The handles of a type from the one given, sorted as the TPM sorts them; null for a type that has none.
    /// </summary>
    private static IEnumerable<uint>? HandlesFrom(TpmCore tpm, uint first)
    {
        uint index = Handles.IndexOf(first);
        return Handles.TypeOf(first) switch
        {
            Handles.Transient => tpm.Objects.LoadedHandles.Where(h => h >= first),
            Handles.Persistent => tpm.State.Persistent.Keys.Where(h => h >= first),
            Handles.HmacSession => tpm.Sessions.LoadedHandles().Where(h => Handles.IndexOf(h) >= index),
            Handles.PolicySession => tpm.Sessions.SavedHandles().Where(h => Handles.IndexOf(h) >= index),
            Handles.Pcr => Enumerable.Range(0, PcrBank.Count).Select(i => (uint)i).Where(h => h >= first),
            Handles.Permanent => ((uint[])[Handles.Owner, Handles.Null, Handles.Password, Handles.LockoutHandle,
                Handles.Endorsement, Handles.Platform, Handles.PlatformNv])
                .Where(h => h >= first),
            0x01 => [],
            _ => null,
        };
    }

    private static uint Write(TpmCall call, uint capability, IEnumerable<uint> all, int count, int most)
    {
        var list = all.ToList();
        int taken = Math.Min(Math.Min(count, most), list.Count);
        call.Out.U8(taken < list.Count ? (byte)1 : (byte)0).U32(capability).U32((uint)taken);
        list[..taken].ForEach(v => call.Out.U32(v));
        return Rc.Success;
    }

    private static uint WriteProperties(TpmCore tpm, TpmCall call, uint first, int count)
    {
        var all = PropertyValues(tpm).Where(p => p.Property >= first).ToList();
        var group = all.Where(p => p.Property >> 8 == all[0].Property >> 8).ToList();
        int taken = Math.Min(count, group.Count);
        call.Out.U8(taken < group.Count ? (byte)1 : (byte)0).U32(Properties).U32((uint)taken);
        group[..taken].ForEach(p => call.Out.U32(p.Property).U32(p.Value));
        return Rc.Success;
    }

    /// <summary>TPM_PT (Part 2, 6.13), sorted; as libtpms reports them where nothing else is set.</summary>
    private static IEnumerable<(uint Property, uint Value)> PropertyValues(TpmCore tpm)
    {
        (ObjectSlots? objects, ISessionStore? sessions) = (tpm.Objects, tpm.Sessions);
        return
        [
            (0x100, 0x322E3000), (0x101, 0), (0x102, 164), (0x105, 0x49424D00), (0x106, 0x53570000),
            (0x10D, 1024), (0x10E, 3), (0x10F, 7), (0x110, (uint)tpm.Parameters.SessionSlots),
            (0x111, (uint)tpm.Parameters.ActiveSessionsMax),
            (0x112, PcrBank.Count), (0x113, 3), (0x114, tpm.Parameters.ContextGap), (0x116, 0), (0x117, 2048),
            (0x11E, (uint)tpm.Parameters.MaxCommandSize), (0x11F, (uint)tpm.Parameters.MaxCommandSize), (0x120, 64),
            (0x129, (uint)CommandTable.All.Count), (0x12A, (uint)CommandTable.All.Count - 1), (0x12B, 1), (0x12E, 1024),
            (0x200, 0x400), (0x201, StartupClear(tpm.State)), (0x202, 0),
            (0x203, (uint)sessions.LoadedCount), (0x204, (uint)sessions.LoadedAvailable),
            (0x205, (uint)sessions.ActiveCount), (0x206, (uint)sessions.ActiveAvailable),
            (0x207, (uint)(objects.Capacity - objects.Count)),
            (0x208, (uint)tpm.State.Persistent.Count), (0x209, 65),
            (0x20E, (uint)tpm.State.DictionaryAttack.FailedTries),
            (0x20F, (uint)tpm.State.DictionaryAttack.MaxTries),
        ];
    }

    /// <summary>TPMA_STARTUP_CLEAR (Part 2, 8.7).</summary>
    private static uint StartupClear(TpmState state) =>
        (state.Hierarchies.PlatformEnabled ? 1u : 0) | (state.Hierarchies.OwnerEnabled ? 2u : 0)
            | (state.Hierarchies.EndorsementEnabled ? 4u : 0)
        | (state.Hierarchies.PlatformNvEnabled ? 8u : 0) | (state.WasOrderly ? 0x80000000 : 0);
}
