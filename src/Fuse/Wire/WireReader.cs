using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TpmFs.Fuse.Wire;

/// <summary>Takes a request's body apart. Never reads past the body's end, whatever the lengths inside claim.</summary>
internal ref struct WireReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public readonly int Remaining => _rest.Length;

    public bool TryRead<T>(out T value)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(_rest, out value))
        {
            return false;
        }

        _rest = _rest[Unsafe.SizeOf<T>()..];
        return true;
    }

    public bool TryReadBytes(uint count, out ReadOnlySpan<byte> bytes)
    {
        if (count > (uint)_rest.Length)
        {
            bytes = default;
            return false;
        }

        bytes = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return true;
    }

    /// <summary>Reads a name up to its NUL. It is not empty.</summary>
    public bool TryReadName(out ReadOnlySpan<byte> name)
    {
        int end = _rest.IndexOf((byte)0);
        if (end <= 0)
        {
            name = default;
            return false;
        }

        name = _rest[..end];
        _rest = _rest[(end + 1)..];
        return true;
    }

    /// <summary>Reads the name of a directory's entry: as <see cref="TryReadName"/>, and without a slash.</summary>
    public bool TryReadComponent(out ReadOnlySpan<byte> name) => TryReadName(out name) && !name.Contains((byte)'/');
}
