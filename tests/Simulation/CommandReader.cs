using System.Buffers.Binary;

namespace TpmFs.Simulation;

/// <summary>
/// Unmarshals a command as the reference implementation does: field after field, and the first thing that is wrong is
/// remembered with the handle, parameter or session that it is in. After that every read gives zero, so that the
/// actions need one check, at the end.
/// </summary>
internal sealed class CommandReader
{
    public const uint HandleArea = 0;
    public const uint ParameterArea = 0x40;
    public const uint SessionArea = 0x800;

    private byte[] _bytes = [];
    private int _end;
    private uint _area;
    private int _number;

    /// <summary>Gets the place of the next read, in bytes from the start of the command.</summary>
    public int Position { get; private set; }

    public int Remaining => _end - Position;

    /// <summary>The first error, or success.</summary>
    public uint Failure { get; private set; }

    public bool Failed => Failure != Rc.Success;

    public void Load(byte[] bytes, int length)
    {
        _bytes = bytes;
        _end = length;
        Position = 0;
        Failure = Rc.Success;
        _number = 0;
    }

    /// <summary>Gets or sets the present end of the bytes; set to the end of a structure while it is read.</summary>
    public int Bound
    {
        get => _end;
        set => _end = value;
    }

    /// <summary>From here on errors blame the fields of this area.</summary>
    public void Enter(uint area)
    {
        _area = area;
        _number = 0;
    }

    /// <summary>The next field of the area begins.</summary>
    public CommandReader Next()
    {
        _number++;
        return this;
    }

    /// <summary>Remembers an error of the current field, unless there was one before.</summary>
    public void Fail(uint code)
    {
        if (!Failed)
        {
            Failure = _number == 0 ? code : Rc.Blame(code, _area, _number);
        }
    }

    public void Require(bool holds, uint code)
    {
        if (!holds)
        {
            Fail(code);
        }
    }

    public byte U8() => Take(1) is { Length: 1 } b ? b[0] : (byte)0;

    public ushort U16() => Take(2) is { Length: 2 } b ? BinaryPrimitives.ReadUInt16BigEndian(b) : (ushort)0;

    public uint U32() => Take(4) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32BigEndian(b) : 0;

    public ulong U64() => Take(8) is { Length: 8 } b ? BinaryPrimitives.ReadUInt64BigEndian(b) : 0;

    /// <summary>A TPM2B of at most <paramref name="max"/> bytes.</summary>
    public ReadOnlySpan<byte> Sized(int max)
    {
        ushort size = U16();
        Require(size <= max, Rc.Size);
        return Take(size);
    }

    public ReadOnlySpan<byte> Take(int count)
    {
        Require(count <= Remaining, Rc.Insufficient);
        if (Failed)
        {
            return default;
        }

        Position += count;
        return _bytes.AsSpan(Position - count, count);
    }

    public ReadOnlySpan<byte> Slice(int start, int length) => _bytes.AsSpan(start, length);

    /// <summary>Every parameter was read: the first error, or TPM_RC_SIZE when bytes are left over.</summary>
    public uint End() => Failed ? Failure : Remaining == 0 ? Rc.Success : Rc.Size;
}
