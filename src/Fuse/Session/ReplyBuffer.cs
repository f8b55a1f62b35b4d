using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TpmFs.Fuse.Session;

/// <summary>Holds the body of one reply while it is made. One for each thread of a session.</summary>
internal sealed class ReplyBuffer : FuseBytesReply
{
    /// <summary>
    /// XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h, in bytes; also the most that is given of a directory at
    /// once.
    /// </summary>
    public const int Capacity = 64 * 1024;

    private readonly Memory<byte> _bytes;

    /// <param name="bytes">The memory, of <see cref="Capacity"/> bytes.</param>
    public ReplyBuffer(Memory<byte> bytes)
    {
        _bytes = bytes;
        Entries = new DirectoryEntries(this);
    }

    /// <summary>Gets a buffer without room, for requests that are not answered from one.</summary>
    public static ReplyBuffer None { get; } = new(Memory<byte>.Empty);

    /// <summary>The buffer, seen as a listing.</summary>
    public DirectoryEntries Entries { get; }

    /// <summary>The length of what was put, in bytes; larger than <see cref="Capacity"/> when it did not fit.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _bytes.Span[..Length];

    public void Clear() => Length = 0;

    /// <summary>Takes bytes for written that an earlier process wrote.</summary>
    public void Restore(int length) => Length = Math.Min(length, _bytes.Length);

    public override void Set(ReadOnlySpan<byte> bytes)
    {
        Length = bytes.Length;
        if (Length <= Capacity)
        {
            bytes.CopyTo(_bytes.Span);
        }
    }

    public void Put<T>(in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(_bytes.Span[Length..], in value);
        Length += Unsafe.SizeOf<T>();
    }

    /// <summary>Puts bytes as they are.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.Span[Length..]);
        Length += bytes.Length;
    }

    /// <summary>Puts bytes, and zeros up to the next multiple of 8 (FUSE_REC_ALIGN).</summary>
    public void PutAligned(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.Span[Length..]);
        int aligned = Length + ((bytes.Length + 7) & ~7);
        _bytes.Span[(Length + bytes.Length)..aligned].Clear();
        Length = aligned;
    }
}
