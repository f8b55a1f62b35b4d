namespace TpmFs.Simulation.Commands;

/// <summary>
/// Part 3, 23: as much of enhanced authorization as shows that a policy session kept what it was told.
/// </summary>
internal static class PolicyCommands
{
    public static uint PolicyCommandCode(TpmCore tpm, TpmCall call)
    {
        uint code = call.In.Next().U32();
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmSession session = tpm.Sessions.Loaded(call.Handle(0))!;
        if (session.PolicyCommandCode != 0 && session.PolicyCommandCode != code)
        {
            return Rc.Value.P(1);
        }

        if (CommandTable.Find(code) is null)
        {
            return Rc.PolicyCc.P(1);
        }

        Extend(session, CommandTable.PolicyCommandCode, new ByteWriter().U32(code));
        session.PolicyCommandCode = code;
        return Rc.Success;
    }

    public static uint PolicyPcr(TpmCore tpm, TpmCall call)
    {
        byte[] expected = call.In.Next().Sized(64).ToArray();
        List<PcrSelection> selection = PcrSelection.ReadList(call.In.Next());
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmSession session = tpm.Sessions.Loaded(call.Handle(0))!;
        byte[] digest = tpm.State.Pcrs.DigestOf(session.HashAlgorithm, selection);
        if (session.Type == SessionType.Trial)
        {
            digest = expected.Length == 0 ? digest : expected;
        }
        else
        {
            if (session.PolicyPcrCounter != 0 && session.PolicyPcrCounter != tpm.State.Pcrs.UpdateCounter)
            {
                return Rc.PcrChanged;
            }

            if (expected.Length != 0 && !expected.AsSpan().SequenceEqual(digest))
            {
                return Rc.Value.P(1);
            }

            session.PolicyPcrCounter = tpm.State.Pcrs.UpdateCounter;
        }

        var writer = new ByteWriter();
        PcrSelection.WriteList(writer, selection);
        Extend(session, CommandTable.PolicyPcr, writer.Bytes(digest));
        return Rc.Success;
    }

    public static uint PolicyRestart(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        tpm.Sessions.Loaded(call.Handle(0))!.RestartPolicy();
        return Rc.Success;
    }

    public static uint PolicyGetDigest(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        call.Out.Sized(tpm.Sessions.Loaded(call.Handle(0))!.PolicyDigest);
        return Rc.Success;
    }

    private static void Extend(TpmSession session, uint command, ByteWriter arguments) => session.PolicyDigest =
        Hashes.Digest(
            session.HashAlgorithm,
            new ByteWriter().Bytes(session.PolicyDigest).U32(command).Bytes(arguments.Written).Written);
}
