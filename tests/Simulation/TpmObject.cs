using System.Buffers.Binary;

namespace TpmFs.Simulation;

internal enum ObjectKind : byte
{
    Key,
    HashSequence,
    HmacSequence,
    EventSequence,
}

/// <summary>A transient or persistent object. Keys never change; a sequence changes with every update.</summary>
internal sealed class TpmObject
{
    public required ObjectKind Kind { get; init; }

    public required uint Hierarchy { get; init; }

    /// <summary>The TPMT_PUBLIC; empty for a sequence.</summary>
    public byte[] PublicBytes { get; init; } = [];

    public PublicArea? Public { get; init; }

    /// <summary>Gets the stand-in for the private part: 32 bytes, empty where only the public part is loaded.</summary>
    public byte[] Identity { get; init; } = [];

    public byte[] Auth { get; init; } = [];

    public byte[] Name { get; init; } = [];

    public byte[] QualifiedName { get; init; } = [];

    public bool StClear { get; init; }

    public bool IsExternal { get; init; }

    /// <summary>For a sequence.</summary>
    public ushort HashAlgorithm { get; init; }

    /// <summary>Gets the bytes that a sequence was given so far.</summary>
    public byte[] Data { get; set; } = [];

    public bool IsSequence => Kind != ObjectKind.Key;

    public bool IsPublicOnly => !IsSequence && Identity.Length == 0;

    public bool IsTemporary => IsSequence || IsExternal || Hierarchy == Handles.Null;

    public bool IsParent => Public is { IsStorageParent: true } && !IsPublicOnly && !IsExternal;

    public bool HasDictionaryAttackProtection => !IsSequence && !Public!.Has(PublicArea.NoDa);

    /// <summary>The savedHandle of its contexts (TPMS_CONTEXT, Part 2, 14.3).</summary>
    public uint SavedHandle => IsSequence ? 0x80000001u : StClear ? 0x80000002u : 0x80000000u;

    /// <summary>A key of a template, its Name computed.</summary>
    public static TpmObject Key(
        PublicArea template, byte[] identity, byte[] auth, uint hierarchy, TpmObject? parent, bool isExternal,
        byte[]? publicBytes = null)
    {
        byte[] bytes = publicBytes ?? template.WithIdentity(identity);
        byte[] name = new ByteWriter().U16(template.NameAlgorithm).Bytes(Hashes.Digest(template.NameAlgorithm, bytes))
            .ToArray();
        return new TpmObject
        {
            Kind = ObjectKind.Key,
            Hierarchy = hierarchy,
            Public = template,
            PublicBytes = bytes,
            Identity = identity,
            Auth = auth,
            Name = name,
            QualifiedName = isExternal ? name : Qualified(template.NameAlgorithm, hierarchy, parent, name),
            StClear = template.Has(PublicArea.StClearBit) || parent is { StClear: true },
            IsExternal = isExternal,
        };
    }

    public TpmObject Copy() => (TpmObject)MemberwiseClone();

    /// <summary>Its bytes in a context blob.</summary>
    public byte[] Save() => new ByteWriter().U8((byte)Kind).U32(Hierarchy)
        .U8((byte)((StClear ? 1 : 0) | (IsExternal ? 2 : 0))).U16(HashAlgorithm)
        .Sized(PublicBytes).Sized(Identity).Sized(Auth).Sized(Name).Sized(QualifiedName).U32((uint)Data.Length)
        .Bytes(Data).ToArray();

    public static TpmObject Load(CommandReader reader)
    {
        var kind = (ObjectKind)reader.U8();
        uint hierarchy = reader.U32();
        byte flags = reader.U8();
        ushort hash = reader.U16();
        byte[] publicBytes = reader.Sized(1024).ToArray();
        return new TpmObject
        {
            Kind = kind,
            Hierarchy = hierarchy,
            StClear = (flags & 1) != 0,
            IsExternal = (flags & 2) != 0,
            HashAlgorithm = hash,
            PublicBytes = publicBytes,
            Public = publicBytes.Length == 0 ? null : Parse(publicBytes),
            Identity = reader.Sized(64).ToArray(),
            Auth = reader.Sized(64).ToArray(),
            Name = reader.Sized(66).ToArray(),
            QualifiedName = reader.Sized(66).ToArray(),
            Data = reader.Take((int)reader.U32()).ToArray(),
        };
    }

    /// <summary>Takes the zeros off the end of an authorization value: they do not count (Part 1, 19.6.5).</summary>
    public static byte[] Trim(ReadOnlySpan<byte> auth) => auth.TrimEnd((byte)0).ToArray();

    private static PublicArea Parse(byte[] bytes)
    {
        var reader = new CommandReader();
        reader.Load(bytes, bytes.Length);
        return PublicArea.Read(reader, bytes.Length);
    }

    private static byte[] Qualified(ushort algorithm, uint hierarchy, TpmObject? parent, byte[] name)
    {
        byte[] above = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(above, hierarchy);
        byte[] digest =
            Hashes.Digest(algorithm, new ByteWriter().Bytes(parent?.QualifiedName ?? above).Bytes(name).Written);
        return new ByteWriter().U16(algorithm).Bytes(digest).ToArray();
    }
}
