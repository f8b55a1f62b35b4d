namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 18.6 and 21: command audit, without a real signature.</summary>
internal static class AuditCommands
{
    private const uint Generated = 0xFF544347;
    private const ushort AttestCommandAudit = 0x8015;

    public static uint SetCommandCodeAuditStatus(TpmCore tpm, TpmCall call)
    {
        ushort algorithm = call.In.Next().U16();
        call.In.Require(algorithm == Hashes.None || Hashes.Size(algorithm) != 0, Rc.Hash);
        List<uint> set = ReadCommands(call.In.Next());
        List<uint> clear = ReadCommands(call.In.Next());
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        CommandAudit audit = tpm.State.Audit;
        if (algorithm != Hashes.None && algorithm != audit.Algorithm)
        {
            if (set.Count != 0 || clear.Count != 0)
            {
                return Rc.Value.P(1);
            }

            audit.Algorithm = algorithm;
            audit.Restart();
        }

        clear.Where(IsOptional).ToList().ForEach(audit.Clear);
        set.Where(c => CommandTable.Find(c) is not null && c != CommandTable.Shutdown).ToList().ForEach(audit.Set);
        return Rc.Success;
    }

    public static uint GetCommandAuditDigest(TpmCore tpm, TpmCall call)
    {
        byte[] data = call.In.Next().Sized(66).ToArray();
        ObjectCommands.ReadScheme(call.In.Next(), out _);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject? key = call.ObjectOrNull(1);
        if (key is { IsSequence: true } || (key is not null && !key.Public!.Has(PublicArea.Sign)))
        {
            return Rc.Key.H(2);
        }

        (TpmState? state, CommandAudit? audit) = (tpm.State, tpm.State.Audit);
        byte[] attest = new ByteWriter().U32(Generated).U16(AttestCommandAudit).Sized(key?.QualifiedName ?? [])
            .Sized(data)
            .U64(state.Clock).U32(state.ResetCount).U32(state.RestartCount).U8(1).U64(0)
            .U64(audit.Counter).U16(audit.Algorithm).Sized(audit.Digest).Sized(audit.CommandsDigest()).ToArray();
        call.Out.Sized(attest);
        if (key is null)
        {
            call.Out.U16(Hashes.None);
        }
        else
        {
            byte[] signature = Hashes.Digest(new ByteWriter().Bytes(key.Identity).Bytes(attest));
            call.Out.U16(0x18).U16(Hashes.Sha256).Sized(signature).Sized(signature);
            audit.Restart();
        }

        return Rc.Success;
    }

    /// <summary>SetCommandCodeAuditStatus itself is always audited (Part 3, 21.2).</summary>
    private static bool IsOptional(uint command) => command != CommandTable.SetCommandCodeAuditStatus;

    private static List<uint> ReadCommands(CommandReader reader)
    {
        uint count = reader.U32();
        reader.Require(count <= 256, Rc.Size);
        var list = new List<uint>();
        for (int i = 0; i < count && !reader.Failed; i++)
        {
            list.Add(reader.U32());
        }

        return list;
    }
}
