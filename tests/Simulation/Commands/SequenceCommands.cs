using System.Security.Cryptography;

namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 17: hash, HMAC and event sequences.</summary>
internal static class SequenceCommands
{
    private const int MaxBuffer = 1024;
    private const ushort HashCheckTag = 0x8024;

    public static uint HashSequenceStart(TpmCore tpm, TpmCall call)
    {
        byte[] auth = call.In.Next().Sized(64).ToArray();
        ushort hash = call.In.Next().U16();
        call.In.Require(hash == Hashes.None || Hashes.Size(hash) != 0, Rc.Hash);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        return Start(
            tpm, call, hash == Hashes.None ? ObjectKind.EventSequence : ObjectKind.HashSequence, auth, hash, []);
    }

    public static uint HmacStart(TpmCore tpm, TpmCall call)
    {
        byte[] auth = call.In.Next().Sized(64).ToArray();
        ushort hash = call.In.Next().U16();
        call.In.Require(hash == Hashes.None || Hashes.Size(hash) != 0, Rc.Hash);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject key = call.Object(0);
        if (key.IsSequence || key.Public!.Type != PublicArea.KeyedHash)
        {
            return Rc.Type.H(1);
        }

        if (key.Public.Has(PublicArea.Restricted))
        {
            return Rc.Attributes.H(1);
        }

        if (!key.Public.Has(PublicArea.Sign))
        {
            return Rc.Key.H(1);
        }

        ushort own = key.Public.SchemeHash;
        if (own == Hashes.None ? hash == Hashes.None : hash != Hashes.None && hash != own)
        {
            return Rc.Value.P(2);
        }

        return Start(tpm, call, ObjectKind.HmacSequence, auth, own == Hashes.None ? hash : own, key.Identity);
    }

    public static uint SequenceUpdate(TpmCore tpm, TpmCall call)
    {
        byte[] buffer = call.In.Next().Sized(MaxBuffer).ToArray();
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject sequence = call.Object(0);
        if (!sequence.IsSequence)
        {
            return Rc.Mode.P(1);
        }

        sequence.Data = [.. sequence.Data, .. buffer];
        return Rc.Success;
    }

    public static uint SequenceComplete(TpmCore tpm, TpmCall call)
    {
        byte[] buffer = call.In.Next().Sized(MaxBuffer).ToArray();
        uint hierarchy = call.In.Next().U32();
        call.In.Require(HandleKind.HierarchyOrNull.Allows(hierarchy), Rc.Value);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject sequence = call.Object(0);
        if (sequence.Kind is not (ObjectKind.HashSequence or ObjectKind.HmacSequence))
        {
            return Rc.Mode.H(1);
        }

        byte[] all = [.. sequence.Data, .. buffer];
        bool isHash = sequence.Kind == ObjectKind.HashSequence;
        byte[] result =
            isHash ? Hashes.Digest(sequence.HashAlgorithm, all) : HMACSHA256.HashData(sequence.Identity, all);
        bool isSafe = isHash && hierarchy != Handles.Null && !IsGenerated(all);
        byte[] ticket =
            isSafe ? Hashes.Digest(new ByteWriter().Bytes(tpm.State.Hierarchies.Proof(hierarchy)).Bytes(result)) : [];
        call.Out.Sized(result).U16(HashCheckTag).U32(isSafe ? hierarchy : Handles.Null).Sized(ticket);
        tpm.Objects.FlushAfterCommand(call.Handle(0));
        return Rc.Success;
    }

    public static uint EventSequenceComplete(TpmCore tpm, TpmCall call)
    {
        byte[] buffer = call.In.Next().Sized(MaxBuffer).ToArray();
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject sequence = call.Object(1);
        if (sequence.Kind != ObjectKind.EventSequence)
        {
            return Rc.Mode.H(2);
        }

        uint pcr = call.Handle(0);
        if (pcr != Handles.Null && !PcrBank.MayExtend((int)pcr, call.Locality))
        {
            return Rc.Locality;
        }

        byte[] all = [.. sequence.Data, .. buffer];
        call.Out.U32((uint)Hashes.All.Length);
        foreach (ushort bank in Hashes.All)
        {
            byte[] digest = Hashes.Digest(bank, all);
            call.Out.U16(bank).Bytes(digest);
            PcrCommands.Extend(tpm, pcr, bank, digest);
        }

        tpm.Objects.FlushAfterCommand(call.Handle(1));
        return Rc.Success;
    }

    private static uint Start(TpmCore tpm, TpmCall call, ObjectKind kind, byte[] auth, ushort hash, byte[] key)
    {
        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        call.ResponseHandle = tpm.Objects.Add(new TpmObject
        {
            Kind = kind,
            Hierarchy = Handles.Null,
            Auth = TpmObject.Trim(auth),
            HashAlgorithm = hash,
            Identity = key,
        });
        return Rc.Success;
    }

    /// <summary>Data that begins with TPM_GENERATED_VALUE must not get a ticket (Part 3, 17.5).</summary>
    private static bool IsGenerated(ReadOnlySpan<byte> data) =>
        data.StartsWith((ReadOnlySpan<byte>)[0xFF, (byte)'T', (byte)'C', (byte)'G']);
}
