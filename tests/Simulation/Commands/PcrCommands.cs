namespace TpmFs.Simulation.Commands;

/// <summary>Part 3, 22: PCRs.</summary>
internal static class PcrCommands
{
    public static uint PcrExtend(TpmCore tpm, TpmCall call)
    {
        List<(ushort Bank, byte[] Digest)> digests = ReadDigests(call.In.Next());
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        uint pcr = call.Handle(0);
        if (pcr == Handles.Null)
        {
            return Rc.Success;
        }

        if (!PcrBank.MayExtend((int)pcr, call.Locality))
        {
            return Rc.Locality;
        }

        foreach ((ushort bank, byte[]? digest) in digests)
        {
            Extend(tpm, pcr, bank, digest);
        }

        return Rc.Success;
    }

    public static uint PcrRead(TpmCore tpm, TpmCall call)
    {
        List<PcrSelection> selection = PcrSelection.ReadList(call.In.Next());
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        const int most = 8;
        var taken = new List<byte[]>();
        List<PcrSelection> read = selection.ConvertAll(s => new PcrSelection(s.Bank, [.. s.Bitmap]));
        foreach ((ushort bank, byte[]? bitmap) in read)
        {
            foreach (int pcr in new PcrSelection(bank, [.. bitmap]).Pcrs)
            {
                if (taken.Count < most)
                {
                    taken.Add(tpm.State.Pcrs.Value(bank, pcr));
                }
                else
                {
                    bitmap[pcr / 8] &= (byte)~(1 << (pcr % 8));
                }
            }
        }

        call.Out.U32(tpm.State.Pcrs.UpdateCounter);
        PcrSelection.WriteList(call.Out, read);
        call.Out.U32((uint)taken.Count);
        taken.ForEach(v => call.Out.Sized(v));
        return Rc.Success;
    }

    /// <summary>Extends one bank of a PCR; TPM_RH_NULL is no PCR.</summary>
    public static void Extend(TpmCore tpm, uint pcr, ushort bank, byte[] digest)
    {
        if (pcr == Handles.Null)
        {
            return;
        }

        tpm.State.Pcrs.Extend(bank, (int)pcr, digest);
        if (pcr < 16)
        {
            tpm.State.Disturb();
        }
    }

    /// <summary>Reads a TPML_DIGEST_VALUES.</summary>
    private static List<(ushort Bank, byte[] Digest)> ReadDigests(CommandReader reader)
    {
        uint count = reader.U32();
        reader.Require(count <= Hashes.All.Length, Rc.Size);
        var list = new List<(ushort, byte[])>();
        for (int i = 0; i < count && !reader.Failed; i++)
        {
            ushort bank = reader.U16();
            reader.Require(Hashes.Size(bank) != 0, Rc.Hash);
            list.Add((bank, reader.Take(Hashes.Size(bank)).ToArray()));
        }

        return list;
    }
}
