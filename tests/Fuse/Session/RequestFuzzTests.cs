using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

public sealed class RequestFuzzTests
{
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(3);

    [Fact]
    public void No_mutation_of_a_captured_request_does_harm()
    {
        const int Seed = 20_240_601;
        var random = new Random(Seed);
        byte[][] corpus = [.. typeof(Captured).GetFields(BindingFlags.Static | BindingFlags.Public)
            .Select(field => (byte[])field.GetValue(null)!)];
        var clock = Stopwatch.StartNew();
        for (int i = 0; clock.Elapsed < s_duration; i++)
        {
            byte[] request = Mutate(corpus[random.Next(corpus.Length)], random);
            try
            {
                RequestFuzz.Dispatch(request);
            }
            catch (Exception e)
            {
                Assert.Fail($"round {i}, seed {Seed}, request {Convert.ToHexStringLower(request)}: {e}");
            }
        }
    }

    private static byte[] Mutate(byte[] captured, Random random)
    {
        const int LongestTail = 300;
        const int MostChanges = 6;
        byte[] request = [.. captured.AsSpan(
            0, random.Next(3) == 0 ? random.Next(captured.Length + 1) : captured.Length)];
        if (random.Next(4) == 0)
        {
            byte[] tail = new byte[random.Next(LongestTail)];
            random.NextBytes(tail);
            request = [.. request, .. tail];
        }

        for (int changes = random.Next(MostChanges); changes > 0 && request.Length > 0; changes--)
        {
            int at = random.Next(request.Length);
            request[at] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => 0xFF,
                _ => (byte)(request[at] ^ (1 << random.Next(8))),
            };
        }

        // Mostly with a right length, so that more than the header's check is reached.
        if (request.Length >= Unsafe.SizeOf<FuseInHeader>() && random.Next(8) != 0)
        {
            BitConverter.TryWriteBytes(request, request.Length);
        }

        return request;
    }
}
