namespace TpmFs.Simulation.Commands;

/// <summary>Commands that use a key that is there: ReadPublic, Sign, EvictControl, and the vendor's.</summary>
internal static class ObjectCommands
{
    private const ushort HashCheckTag = 0x8024;

    public static uint ReadPublic(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject item = call.Object(0);
        if (item.IsSequence)
        {
            return Rc.Sequence;
        }

        call.Out.Sized(item.PublicBytes).Sized(item.Name).Sized(item.QualifiedName);
        return Rc.Success;
    }

    /// <summary>
    /// The "signature" is a digest of the key's identity and the data: what the right key, and no other, answers.
    /// </summary>
    public static uint Sign(TpmCore tpm, TpmCall call)
    {
        byte[] digest = call.In.Next().Sized(64).ToArray();
        ushort scheme = ReadScheme(call.In.Next(), out ushort hash);
        call.In.Next();
        call.In.Require(call.In.U16() == HashCheckTag, Rc.Value);
        call.In.Require(HandleKind.HierarchyOrNull.Allows(call.In.U32()), Rc.Value);
        int ticket = call.In.Sized(64).Length;
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject key = call.Object(0);
        if (key.IsSequence || !key.Public!.Has(PublicArea.Sign))
        {
            return Rc.Key.H(1);
        }

        (ushort own, ushort ownHash) = (key.Public.Scheme, key.Public.SchemeHash);
        bool isChosen = own == Hashes.None;
        if ((isChosen && scheme == Hashes.None)
            || (!isChosen && scheme != Hashes.None && (scheme, hash) != (own, ownHash)))
        {
            return Rc.Scheme.P(2);
        }

        if (ticket != 0 || key.Public.Has(PublicArea.Restricted))
        {
            return Rc.Ticket.P(3);
        }

        (scheme, hash) = isChosen ? (scheme, hash) : (own, ownHash);
        if (digest.Length != Hashes.Size(hash))
        {
            return Rc.Size.P(1);
        }

        byte[] signature = Hashes.Digest(new ByteWriter().Bytes(key.Identity).U16(hash).Bytes(digest));
        call.Out.U16(scheme).U16(hash).Sized(signature).Sized(signature);
        return Rc.Success;
    }

    public static uint EvictControl(TpmCore tpm, TpmCall call)
    {
        uint persistent = call.In.Next().U32();
        call.In.Require(Handles.IsPersistent(persistent), Rc.Value);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        (uint auth, uint handle, TpmObject? item) = (call.Handle(0), call.Handle(1), call.Object(1));
        bool isPersistent = Handles.IsPersistent(handle);
        if (item.IsTemporary || item.StClear || item.IsPublicOnly)
        {
            return Rc.Attributes.H(2);
        }

        if (isPersistent && handle != persistent)
        {
            return Rc.Handle.H(2);
        }

        bool ofPlatform = item.Hierarchy == Handles.Platform;
        if (auth == Handles.Owner ? ofPlatform : !ofPlatform && !isPersistent)
        {
            return Rc.Hierarchy.H(2);
        }

        if (isPersistent)
        {
            tpm.State.Persistent.Remove(handle);
            return Rc.Success;
        }

        if (persistent >= Handles.FirstPlatformPersistent != (auth == Handles.Platform))
        {
            return Rc.Range.P(1);
        }

        return tpm.State.Persistent.TryAdd(persistent, item) ? Rc.Success : Rc.NvDefined;
    }

    public static uint VendorCopyObject(TpmCore tpm, TpmCall call)
    {
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        call.ResponseHandle = tpm.Objects.Add(call.Object(0).Copy());
        return Rc.Success;
    }

    /// <summary>Reads a TPMT_SIG_SCHEME.</summary>
    public static ushort ReadScheme(CommandReader reader, out ushort hash)
    {
        ushort scheme = reader.U16();
        hash = scheme == Hashes.None ? Hashes.None : reader.U16();
        reader.Require(scheme is Hashes.None or 0x0005 or 0x0014 or 0x0016 or 0x0018, Rc.Scheme);
        reader.Require(scheme == Hashes.None || Hashes.Size(hash) != 0, Rc.Hash);
        return scheme;
    }
}
