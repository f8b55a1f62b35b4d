namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 11: StartAuthSession.</summary>
internal static class SessionCommands
{
    private const ushort Xor = 0x000A;
    private const ushort Aes = 0x0006;
    private const ushort Cfb = 0x0043;

    public static uint StartAuthSession(TpmCore tpm, TpmCall call)
    {
        int nonceSize = call.In.Next().Sized(64).Length;
        int saltSize = call.In.Next().Sized(512).Length;
        byte type = call.In.Next().U8();
        call.In.Require(type is 0 or 1 or 3, Rc.Value);
        ushort symmetric = ReadSymmetric(call.In.Next());
        ushort hash = call.In.Next().U16();
        call.In.Require(Hashes.Size(hash) != 0, Rc.Hash);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (nonceSize < 16 || nonceSize > Hashes.Size(hash))
        {
            return Rc.Size.P(1);
        }

        if (CheckKeys(call, saltSize) is not Rc.Success and var wrong)
        {
            return wrong;
        }

        var session = new TpmSession
        {
            Type = (SessionType)type,
            HashAlgorithm = hash,
            Symmetric = symmetric,
            HasKey = call.Handle(0) != Handles.Null || call.Handle(1) != Handles.Null,
            Nonce = tpm.NextRandom(nonceSize),
        };
        if (session.IsPolicy)
        {
            session.RestartPolicy();
        }
        else if (call.Handle(1) != Handles.Null)
        {
            byte[] auth = call.ObjectOrNull(1)?.Auth ?? tpm.State.Hierarchies.Auth(call.Handle(1));
            session.BoundTo = call.BindingOf(1, auth);
        }

        uint code = tpm.Sessions.Start(session, out uint handle);
        call.ResponseHandle = handle;
        call.Out.Sized(session.Nonce);
        return code;
    }

    private static uint CheckKeys(TpmCall call, int saltSize)
    {
        if (call.Handle(0) == Handles.Null)
        {
            return saltSize == 0 && call.ObjectOrNull(1) is not { IsPublicOnly: true } ? Rc.Success
                : saltSize != 0 ? Rc.Value.P(2) : Rc.Handle.H(2);
        }

        TpmObject key = call.Object(0);
        return key.IsSequence || key.Public!.Type is not (PublicArea.Rsa or PublicArea.Ecc) ? Rc.Key.H(1)
            : saltSize == 0 ? Rc.Value.P(2)
            : key.IsPublicOnly ? Rc.Handle.H(1)
            : !key.Public.Has(PublicArea.Decrypt) ? Rc.Attributes.H(1)
            : call.ObjectOrNull(1) is { IsPublicOnly: true } ? Rc.Handle.H(2)
            : Rc.Success;
    }

    /// <summary>Reads a TPMT_SYM_DEF.</summary>
    private static ushort ReadSymmetric(CommandReader reader)
    {
        ushort algorithm = reader.U16();
        reader.Require(algorithm is Hashes.None or Xor or Aes, Rc.Symmetric);
        switch (algorithm)
        {
            case Xor:
                reader.Require(Hashes.Size(reader.U16()) != 0, Rc.Hash);
                break;
            case Aes:
                reader.Require(reader.U16() is 128 or 192 or 256, Rc.Value);
                reader.Require(reader.U16() == Cfb, Rc.Mode);
                break;
        }

        return algorithm;
    }
}
