namespace TpmFs.Simulation;

/// <summary>
/// As much of a TPMT_PUBLIC (Part 2, 12.2.4) as decides what an object may do; the rest is kept as it came.
/// </summary>
internal sealed class PublicArea
{
    public const ushort Rsa = 0x0001;
    public const ushort KeyedHash = 0x0008;
    public const ushort Ecc = 0x0023;
    public const ushort SymCipher = 0x0025;

    public const uint FixedTpm = 1 << 1;
    public const uint StClearBit = 1 << 2;
    public const uint FixedParent = 1 << 4;
    public const uint SensitiveDataOrigin = 1 << 5;
    public const uint UserWithAuth = 1 << 6;
    public const uint NoDa = 1 << 10;
    public const uint Restricted = 1 << 16;
    public const uint Decrypt = 1 << 17;
    public const uint Sign = 1 << 18;

    private readonly byte[] _beforeUnique;

    private PublicArea(
        ushort type, ushort nameAlgorithm, uint attributes, byte[] authPolicy, ushort scheme, ushort schemeHash,
        byte[] beforeUnique)
    {
        Type = type;
        NameAlgorithm = nameAlgorithm;
        Attributes = attributes;
        AuthPolicy = authPolicy;
        Scheme = scheme;
        SchemeHash = schemeHash;
        _beforeUnique = beforeUnique;
    }

    public ushort Type { get; }

    public ushort NameAlgorithm { get; }

    public uint Attributes { get; }

    public byte[] AuthPolicy { get; }

    /// <summary>The signing scheme of the key, TPM_ALG_NULL where the command chooses.</summary>
    public ushort Scheme { get; }

    public ushort SchemeHash { get; }

    public bool Has(uint attribute) => (Attributes & attribute) != 0;

    /// <summary>The size of the field that tells keys of one template apart, in bytes.</summary>
    public int UniqueSize { get; private init; }

    /// <summary>True when its private part is no asymmetric key but bytes: the caller's, or random ones.</summary>
    public bool IsSymmetric => Type is KeyedHash or SymCipher;

    /// <summary>True when objects can be created and loaded under it.</summary>
    public bool IsStorageParent => Type is Rsa or Ecc && Has(Restricted) && Has(Decrypt) && !Has(Sign);

    /// <summary>Reads to the end of the reader's TPMT_PUBLIC; what is wrong becomes the reader's failure.</summary>
    public static PublicArea Read(CommandReader reader, int end)
    {
        int start = reader.Position;
        ushort type = reader.U16();
        reader.Require(type is Rsa or KeyedHash or Ecc or SymCipher, Rc.Type);
        ushort nameAlgorithm = reader.U16();
        reader.Require(Hashes.Size(nameAlgorithm) != 0, Rc.Hash);
        uint attributes = reader.U32();
        reader.Require((attributes & 0xFFF0F309) == 0, Rc.ReservedBits);
        byte[] policy = reader.Sized(64).ToArray();
        if (type is Rsa or Ecc)
        {
            SkipSymmetric(reader);
        }

        (ushort scheme, ushort schemeHash) = type == SymCipher ? default : ReadScheme(reader);
        switch (type)
        {
            case Rsa:
                reader.Take(6);
                break;
            case Ecc:
                reader.Take(2);
                ReadScheme(reader);
                break;
            case SymCipher:
                SkipSymmetric(reader);
                break;
        }

        int unique = reader.Position;
        int uniqueSize = reader.Sized(512).Length;
        if (type == Ecc)
        {
            reader.Sized(512);
        }

        reader.Require(reader.Position == end, Rc.Size);
        byte[] head = reader.Failed ? [] : reader.Slice(start, unique - start).ToArray();
        return new PublicArea(
            type, nameAlgorithm, attributes, policy, scheme, schemeHash, head)
        { UniqueSize = uniqueSize };
    }

    /// <summary>The public area of a key of this template whose identity is given.</summary>
    public byte[] WithIdentity(ReadOnlySpan<byte> identity)
    {
        ByteWriter writer = new ByteWriter().Bytes(_beforeUnique).Sized(identity);
        return (Type == Ecc ? writer.Sized(identity) : writer).ToArray();
    }

    private static void SkipSymmetric(CommandReader reader)
    {
        if (reader.U16() != Hashes.None)
        {
            reader.Take(4);
        }
    }

    private static (ushort Scheme, ushort Hash) ReadScheme(CommandReader reader)
    {
        ushort scheme = reader.U16();
        return scheme == Hashes.None ? (scheme, Hashes.None) : (scheme, reader.U16());
    }
}
