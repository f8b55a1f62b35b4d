using System.Buffers.Binary;

namespace TpmFs.Simulation.Commands;

/// <summary>The parameters of the commands that make keys.</summary>
internal sealed class CreationInput
{
    private const ushort CreationTicketTag = 0x8021;

    private byte[] _data = [];
    private byte[] _outsideInfo = [];
    private List<PcrSelection> _pcrs = [];

    public byte[] Auth { get; private set; } = [];

    public PublicArea Template { get; private set; } = null!;

    public static CreationInput Read(CommandReader reader, bool withCreationData)
    {
        var input = new CreationInput();
        ushort size = reader.Next().U16();
        int end = reader.Position + size;
        reader.Require(size > 0, Rc.Size);
        input.Auth = TpmObject.Trim(reader.Sized(64));
        input._data = reader.Sized(256).ToArray();
        reader.Require(reader.Position == end, Rc.Size);
        input.Template = ReadPublic(reader.Next(), out _);
        if (withCreationData)
        {
            input._outsideInfo = reader.Next().Sized(66).ToArray();
            input._pcrs = PcrSelection.ReadList(reader.Next());
        }

        return input;
    }

    /// <summary>Reads a TPM2B_PUBLIC.</summary>
    public static PublicArea ReadPublic(CommandReader reader, out byte[] bytes)
    {
        ushort size = reader.U16();
        int at = reader.Position;
        reader.Require(size > 0, Rc.Size);
        reader.Require(size <= reader.Remaining, Rc.Insufficient);
        var area = PublicArea.Read(reader, at + size);
        bytes = reader.Failed ? [] : reader.Slice(at, size).ToArray();
        return area;
    }

    /// <summary>
    /// Returns the problem of the template, as far as the parent and the use of the key decide it (CreateChecks).
    /// </summary>
    public uint Check(TpmObject? parent)
    {
        bool isFixed = Template.Has(PublicArea.FixedTpm);
        bool parentIsFixed = parent is null || parent.Public!.Has(PublicArea.FixedTpm);
        if (isFixed && !(Template.Has(PublicArea.FixedParent) && parentIsFixed))
        {
            return Rc.Attributes.P(2);
        }

        bool ofTpm = Template.Has(PublicArea.SensitiveDataOrigin);
        if (Template.IsSymmetric
            && ((!ofTpm && _data.Length == 0) || (ofTpm && _data.Length != 0 && parent is not null)))
        {
            return Rc.Attributes.P(2);
        }

        return Template.Has(PublicArea.Restricted) && Template.Has(PublicArea.Decrypt) == Template.Has(PublicArea.Sign)
            ? Rc.Attributes.P(2) : Rc.Success;
    }

    public byte[] Identity(byte[] origin) =>
        Hashes.Digest(new ByteWriter().Bytes(origin).Sized(Template.WithIdentity([])).Sized(Auth).Sized(_data));

    /// <summary>Writes creationData, creationHash and creationTicket (Part 2, 15).</summary>
    public void WriteCreation(TpmCore tpm, TpmCall call, TpmObject key, TpmObject? parent)
    {
        Span<byte> parentName = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(parentName, call.Handle(0));
        var data = new ByteWriter();
        PcrSelection.WriteList(data, _pcrs);
        data.Sized(_pcrs.Count == 0 ? [] : tpm.State.Pcrs.DigestOf(Template.NameAlgorithm, _pcrs))
            .U8((byte)(1 << call.Locality))
            .U16(parent?.Public!.NameAlgorithm ?? Hashes.None).Sized(parent?.Name ?? parentName)
            .Sized(parent?.QualifiedName ?? parentName).Sized(_outsideInfo);
        byte[] hash = Hashes.Digest(Template.NameAlgorithm, data.Written);
        byte[] ticket = Hashes.Digest(
            new ByteWriter().Bytes(tpm.State.Hierarchies.Proof(key.Hierarchy)).Bytes(key.Name).Bytes(hash));
        call.Out.Sized(data.Written).Sized(hash).U16(CreationTicketTag).U32(key.Hierarchy).Sized(ticket);
    }
}
