using System.Collections;

namespace TpmFs.Simulation;

/// <summary>The PCRs of a PC Client TPM: 24 in each bank.</summary>
internal sealed class PcrBank
{
    public const int Count = 24;

    private Dictionary<ushort, byte[][]> _values = Initial();

    /// <summary>Counts changes; policies notice it (TPM2_PolicyPCR).</summary>
    public uint UpdateCounter { get; set; }

    public byte[] Value(ushort bank, int pcr) => _values[bank][pcr];

    /// <summary>True when a command of this locality may extend the PCR (PC Client profile, 4.6).</summary>
    public static bool MayExtend(int pcr, byte locality) => pcr switch
    {
        17 or 18 => locality is >= 2 and <= 4,
        19 => locality is 2 or 3,
        20 => locality is >= 1 and <= 3,
        21 or 22 => locality == 2,
        _ => true,
    };

    public void Extend(ushort bank, int pcr, ReadOnlySpan<byte> digest)
    {
        _values[bank][pcr] = Hashes.Digest(bank, new ByteWriter().Bytes(_values[bank][pcr]).Bytes(digest).Written);
        UpdateCounter += IsCounted(pcr) ? 1u : 0;
    }

    /// <summary>
    /// Returns the values that a resume brings back: of the PCRs with the state-save attribute, 0 to 15.
    /// </summary>
    public object Preserve() => _values.ToDictionary(b => b.Key, b => b.Value[..16]);

    public void Startup(StartupKind kind, object? preserved)
    {
        _values = Initial();
        UpdateCounter += (uint)Enumerable.Range(0, Count)
            .Count(pcr => IsCounted(pcr) && !(kind == StartupKind.Resume && IsPreserved(pcr)));
        if (kind == StartupKind.Resume && preserved is Dictionary<ushort, byte[][]> saved)
        {
            foreach ((ushort bank, byte[][]? values) in saved)
            {
                values.CopyTo(_values[bank], 0);
            }
        }
    }

    /// <summary>The digest of a TPML_PCR_SELECTION's values (Part 2, 10.6.7), for PolicyPCR.</summary>
    public byte[] DigestOf(ushort algorithm, IEnumerable<PcrSelection> selections)
    {
        var writer = new ByteWriter();
        foreach ((ushort bank, int pcr) in selections.SelectMany(s => s.Pcrs.Select(p => (s.Bank, p))))
        {
            writer.Bytes(_values[bank][pcr]);
        }

        return Hashes.Digest(algorithm, writer.Written);
    }

    private static bool IsPreserved(int pcr) => pcr < 16;

    private static bool IsCounted(int pcr) => pcr is not (16 or 21 or 22 or 23);

    private static Dictionary<ushort, byte[][]> Initial() => Hashes.All.ToDictionary(
        bank => bank,
        bank => Enumerable.Range(0, Count)
            .Select(
                pcr => Enumerable.Repeat(pcr is >= 17 and <= 22 ? (byte)0xFF : (byte)0, Hashes.Size(bank)).ToArray())
                .ToArray());
}

/// <summary>A TPMS_PCR_SELECTION (Part 2, 10.6.2).</summary>
internal readonly record struct PcrSelection(ushort Bank, byte[] Bitmap)
{
    public IEnumerable<int> Pcrs
    {
        get
        {
            var bits = new BitArray(Bitmap);
            return Enumerable.Range(0, bits.Length).Where(i => bits[i]);
        }
    }

    /// <summary>Reads a TPML_PCR_SELECTION.</summary>
    public static List<PcrSelection> ReadList(CommandReader reader)
    {
        uint count = reader.U32();
        reader.Require(count <= 16, Rc.Size);
        var list = new List<PcrSelection>();
        for (int i = 0; i < count && !reader.Failed; i++)
        {
            ushort bank = reader.U16();
            reader.Require(Hashes.Size(bank) != 0, Rc.Hash);
            byte size = reader.U8();
            reader.Require(size is >= 3 and <= 3, Rc.Value);
            list.Add(new PcrSelection(bank, reader.Take(size).ToArray()));
        }

        return list;
    }

    public static void WriteList(ByteWriter writer, IReadOnlyCollection<PcrSelection> list)
    {
        writer.U32((uint)list.Count);
        foreach ((ushort bank, byte[]? bitmap) in list)
        {
            writer.U16(bank).U8((byte)bitmap.Length).Bytes(bitmap);
        }
    }
}
