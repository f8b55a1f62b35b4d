using System.Buffers.Binary;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>Commands and authorization areas that are cut short, too long, or contradict themselves.</summary>
public sealed class HostileTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    /// <summary>
    /// Whole commands, as far as the size field goes, with something wrong inside; none of them names what exists.
    /// </summary>
    public static TheoryData<string, string> Malformed => new()
    {
        { "a header alone where handles are due", "8001 0000000a 00000173" },
        { "half a handle", "8001 0000000c 00000173 8000" },
        { "FlushContext without its parameter", "8001 0000000a 00000165" },
        { "FlushContext of half a handle", "8001 0000000c 00000165 8000" },
        { "FlushContext with bytes behind its parameter", "8001 00000010 00000165 80000000 0000" },
        { "FlushContext of a permanent handle", "8001 0000000e 00000165 40000001" },
        { "FlushContext of a persistent handle", "8001 0000000e 00000165 81000000" },
        { "FlushContext of a PCR", "8001 0000000e 00000165 00000000" },
        { "FlushContext of no handle at all", "8001 0000000e 00000165 ffffffff" },
        { "FlushContext outside the transient range", "8001 0000000e 00000165 80ffffff" },
        { "ContextSave without a handle", "8001 0000000a 00000162" },
        { "ContextSave of a permanent handle", "8001 0000000e 00000162 40000001" },
        { "ContextLoad of nothing", "8001 0000000a 00000161" },
        { "ContextLoad cut in the middle", "8001 00000016 00000161 0000000000000001 80000000" },
        { "ContextLoad whose blob is larger than the command",
            "8001 0000001c 00000161 0000000000000001 80000000 40000001 ffff" },
        { "a tag that does not exist", "8003 0000000c 0000017b 0008" },
        { "the tag of a TPM 1.2 command", "00c1 0000000c 0000017b 0008" },
        { "a command that does not exist", "8001 0000000a 00000001" },
        { "a vendor command that does not exist", "8001 0000000a 20000001" },
        { "sessions where there are none", "8002 0000000c 0000017b 0008" },
        { "an authorization area of zero bytes", "8002 00000010 0000017b 00000000 0008" },
        { "an authorization area smaller than an entry", "8002 00000014 0000017b 00000004 40000009 0008" },
        { "an authorization area larger than the command",
            "8002 00000019 0000017b 7fffffff 40000009 0000 01 0000 0008" },
        { "an authorization area of a negative size", "8002 00000019 0000017b ffffffff 40000009 0000 01 0000 0008" },
        { "a nonce longer than its area", "8002 00000019 0000017b 00000009 40000009 0020 01 0000 0008" },
        { "an HMAC longer than its area", "8002 00000019 0000017b 00000009 40000009 0000 01 0020 0008" },
        { "a nonce longer than any digest", "8002 00000019 0000017b 00000009 40000009 ffff 01 0000 0008" },
        { "an HMAC longer than any digest", "8002 00000019 0000017b 00000009 40000009 0000 01 ffff 0008" },
        { "four authorizations",
            "8002 00000034 0000017b 00000024 "
                + "4000000900000100004000000900000100004000000900000100004000000900000100000008" },
        { "an authorization that is not a session", "8002 00000019 0000017b 00000009 80000000 0000 01 0000 0008" },
        { "a password where nothing is authorized", "8002 00000019 0000017b 00000009 40000009 0000 01 0000 0008" },
        { "an authorization that is missing", "8001 0000000e 0000015d 81000000" },
        { "a transient handle that is not loaded", "8001 0000000e 00000173 80000000" },
        { "a transient handle outside the range", "8001 0000000e 00000173 80ffffff" },
        { "a persistent object that does not exist", "8001 0000000e 00000173 81000005" },
        { "an NV index that does not exist", "8001 0000000e 00000169 01000005" },
        { "a policy session that is not loaded", "8001 0000000e 00000189 03000005" },
        { "GetCapability cut short", "8001 0000000e 0000017a 00000001" },
        { "GetCapability of what does not exist", "8001 00000016 0000017a 00000fff 00000000 00000001" },
        { "GetCapability with bytes behind it", "8001 00000018 0000017a 00000006 00000100 00000001 0000" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_command_is_answered_as_the_tpm_answers_it(string what, string bytes)
    {
        byte[] command = Convert.FromHexString(bytes.Replace(" ", "", StringComparison.Ordinal));
        Assert.True(Tpm2.StatedSize(command) == command.Length, what);
        using TpmConnection bare = Mount.Bare.Connect();
        uint expected = bare.Transact(command).Code();
        Assert.NotEqual(0u, expected);

        Opener opener = Open();
        uint actual = opener.Transact(command).Code();
        Assert.Equal($"{expected:X}", $"{actual:X}");
        Assert.Equal(20, opener.Transact(Tpm2.GetRandom(8)).Succeeded().Length);
    }

    [Theory]
    [InlineData("a command that does not exist", "8001 0000000a 00000001", 0x143)]
    [InlineData("a transient handle that is not loaded", "8001 0000000e 00000173 80000000", 0x910)]
    [InlineData("a session that is not the opener's", "8001 0000000e 00000189 03000000", 0x910)]
    [InlineData(
        "an authorization by a session that is not the opener's",
        "8002 00000019 0000017b 00000009 02000000 0000 81 0000 0008", 0x918)]
    [InlineData("a session that is not the opener's where an object is due", "8001 0000000e 00000173 02000000", 0x910)]
    [InlineData("a nonce longer than the command", "8002 00000019 0000017b 00000009 40000009 ffff 01 0000 0008", 0x995)]
    [InlineData("an HMAC longer than the command", "8002 00000019 0000017b 00000009 40000009 0000 01 ffff 0008", 0x995)]
    [InlineData("FlushContext of an object that is not the opener's", "8001 0000000e 00000165 80000000", 0x1CB)]
    [InlineData("FlushContext of a session that is not the opener's", "8001 0000000e 00000165 02000000", 0x1CB)]
    public void What_cannot_be_resolved_does_not_reach_the_tpm(string what, string bytes, int code)
    {
        byte[] command = Convert.FromHexString(bytes.Replace(" ", "", StringComparison.Ordinal));
        Opener opener = Open();
        var commandCode = (TpmCc)BinaryPrimitives.ReadUInt32BigEndian(command.AsSpan(6));
        AssertTpmEmpties();
        int before = Mount.Proxy.Commands.Count;
        Assert.Equal($"{what}: {code:X}", $"{what}: {opener.Transact(command).Code():X}");
        Assert.DoesNotContain(commandCode, Mount.Proxy.Commands.Skip(before));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_mutations_of_valid_commands_neither_stop_the_daemon_nor_harm_a_neighbour(int seed)
    {
        Opener neighbour = Open();
        uint parent = neighbour.Transact(Tpm2.CreatePrimary()).NewHandle();
        HmacKey[] keys = HmacKey.Make(neighbour, parent, 1);
        uint key = keys[0].Load(neighbour, parent);

        var random = new Random(seed);
        Opener opener = Open();
        for (int i = 0; i < 500; i++)
        {
            byte[] command = Mutate(random, Valid(random, opener));
            Reply written = opener.Write(command);
            if (written.Errno is null)
            {
                Assert.Equal(command.Length, written.Value);
                byte[] response = opener.Read().Data;
                Assert.True(
                    TpmHeader.TryRead(response, out TpmHeader header) && header.Size == response.Length,
                    Convert.ToHexString(command));
            }
            else
            {
                Assert.True(
                    written.Errno is "EINVAL" or "E2BIG", $"{written.Errno} for {Convert.ToHexString(command)}");
            }

            if (i % 50 == 0)
            {
                keys[0].Use(neighbour, key, i);
            }
        }

        keys[0].Use(neighbour, key, seed);
    }

    /// <summary>
    /// A valid command, on an object or session of the opener's where it takes one. None of them changes what outlives
    /// the opener.
    /// </summary>
    private static byte[] Valid(Random random, Opener opener)
    {
        uint? Own(uint first) =>
            opener.Transact(Tpm2.ListHandles(first)).HandleList() is { Count: > 0 } list
                ? list[random.Next(list.Count)] : null;
        uint primary = Own(Tpm2.TransientFirst) ?? opener.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
        uint session = Own(Tpm2.LoadedSessions) ?? opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        return random.Next(10) switch
        {
            0 => Tpm2.GetRandom(8),
            1 => Tpm2.ReadPublic(primary),
            2 => Tpm2.CreateHmacKey(primary, [1, 2, 3]),
            3 => Tpm2.ContextSave(primary),
            4 => Tpm2.FlushContext(session),
            5 => Tpm2.PolicyGetDigest(session),
            6 => Tpm2.GetRandom(8, session),
            7 => Tpm2.ListHandles(Tpm2.TransientFirst),
            8 => Tpm2.HashSequenceStart(),
            _ => Tpm2.StartAuthSession(policy: true),
        };
    }

    /// <summary>
    /// Changes a few bytes behind the command code, cuts the command or makes it longer; half the time the size field
    /// follows.
    /// </summary>
    private static byte[] Mutate(Random random, byte[] command)
    {
        byte[] mutated = [.. command];
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            int at = random.Next(TpmHeader.Length, Math.Max(TpmHeader.Length + 1, mutated.Length));
            if (at < mutated.Length)
            {
                mutated[at] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)random.Next(256) };
            }
        }

        mutated = random.Next(4) switch
        {
            0 => mutated[..random.Next(1, mutated.Length + 1)],
            1 => [.. mutated, .. new byte[random.Next(1, 64)]],
            _ => mutated,
        };
        if (mutated.Length >= TpmHeader.Length && random.Next(2) == 0)
        {
            BinaryPrimitives.WriteInt32BigEndian(mutated.AsSpan(2), mutated.Length);
        }

        return mutated;
    }
}
