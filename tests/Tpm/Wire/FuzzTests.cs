using System.Buffers.Binary;
using System.Diagnostics;
using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Tests.Wire;

public sealed class FuzzTests
{
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(2);

    [Fact]
    public void No_command_makes_the_parser_throw_or_look_outside_it()
    {
        byte[][] seeds =
        [
            TpmClient.GetRandom8,
            TpmClient.CreatePrimaryRsa,
            TpmClient.Command(TpmSt.Sessions, TpmCc.Clear, TpmClient.Hex(
                "4000000C 0000001B 40000009000000 0000 02000000000400000000 40000009000000 0000")),
        ];
        Fuzz(seeds, (random, bytes) => FuzzTargets.Command(bytes, new TpmaCc((uint)random.Next() << 1)));
    }

    [Fact]
    public void No_response_makes_the_parser_throw_or_look_outside_it()
    {
        byte[][] seeds =
        [
            TpmClient.Response(TpmRc.Retry),
            TpmClient.Response(TpmRc.Success, 0x80, 0, 0, 1),
            TpmClient.Command(
                TpmSt.Sessions, 0, TpmClient.Hex("80000000 00000004 01020304 0000 01 0000 0004AABBCCDD 41 0000")),
        ];
        Fuzz(seeds, (_, bytes) => FuzzTargets.Response(bytes));
    }

    private delegate void Target(Random random, ReadOnlySpan<byte> bytes);

    /// <summary>Each round has its own seed, so that one that fails can be run again alone.</summary>
    private static void Fuzz(byte[][] seeds, Target target)
    {
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; Stopwatch.GetElapsedTime(start) < s_duration; round++)
        {
            var random = new Random(round);
            byte[] bytes = Mutation.Of(seeds[random.Next(seeds.Length)], random);
            try
            {
                target(random, bytes);
            }
            catch (Exception error)
            {
                Assert.Fail($"round {round}, {Convert.ToHexString(bytes)}: {error}");
            }
        }
    }
}

internal static class Mutation
{
    private static readonly uint[] s_extremes =
        [0, 1, 8, 9, 10, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF];

    /// <summary>Changes a few bytes, cuts or grows; the header's size is right three times of four.</summary>
    public static byte[] Of(byte[] seed, Random random)
    {
        byte[] bytes = [.. seed];
        for (int changes = random.Next(4); changes >= 0; changes--)
        {
            switch (random.Next(5))
            {
                case 0:
                    bytes[random.Next(bytes.Length)] = (byte)random.Next();
                    break;
                case 1:
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    uint extreme = s_extremes[random.Next(s_extremes.Length)];
                    int at = random.Next(bytes.Length);
                    byte[] value = new byte[4];
                    BinaryPrimitives.WriteUInt32BigEndian(value, extreme);
                    value.AsSpan(0, Math.Min(4, bytes.Length - at)).CopyTo(bytes.AsSpan(at));
                    break;
                case 3:
                    bytes = bytes[..(1 + random.Next(bytes.Length))];
                    break;
                default:
                    byte[] more = new byte[random.Next(40)];
                    random.NextBytes(more);
                    bytes = [.. bytes, .. more];
                    break;
            }
        }

        if (bytes.Length >= TpmHeader.Length && random.Next(4) != 0)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(2), bytes.Length);
        }

        return bytes;
    }
}
