using System.Buffers.Binary;

namespace TpmFs.Simulation;

/// <summary>SplitMix64: the same bytes for the same seed, on every run.</summary>
internal sealed class RandomBytes(ulong seed)
{
    private ulong _state = seed;

    public byte[] Next(int count)
    {
        byte[] bytes = new byte[count];
        Span<byte> word = stackalloc byte[8];
        for (int at = 0; at < count; at += 8)
        {
            BinaryPrimitives.WriteUInt64BigEndian(word, Next());
            word[..Math.Min(8, count - at)].CopyTo(bytes.AsSpan(at));
        }

        return bytes;
    }

    public ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
