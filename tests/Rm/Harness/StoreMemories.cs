using System.Collections.Concurrent;

namespace TpmFs.Rm.Tests.Harness;

/// <summary>Lends memory for mirrors, all zero. Thousands of rigs live one after the other.</summary>
internal static class StoreMemories
{
    private const int Length = 2 * 1024 * 1024;
    private static readonly ConcurrentBag<byte[]> s_free = [];

    public static byte[] Rent()
    {
        if (!s_free.TryTake(out byte[]? memory))
        {
            return new byte[Length];
        }

        Array.Clear(memory);
        return memory;
    }

    public static void Return(byte[] memory) => s_free.Add(memory);
}
