using System.Security.Cryptography;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>
/// More than the TPM has room for (three objects and three loaded sessions), with every answer checked.
/// </summary>
public sealed class CapacityTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    [Fact]
    public void A_bare_tpm_has_three_slots()
    {
        using TpmConnection tpm = Mount.Bare.Connect();
        uint[] held = [.. Enumerable.Range(0, 3).Select(_ => tpm.Transact(Tpm2.CreatePrimary()).NewHandle())];
        Assert.Equal(0x902u, tpm.Transact(Tpm2.CreatePrimary()).Code());
        Assert.All(held, handle => tpm.Transact(Tpm2.FlushContext(handle)).Succeeded());
    }

    [Fact]
    public void One_opener_holds_twenty_keys_and_uses_them_in_any_order()
    {
        Opener opener = Open();
        uint parent = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        HmacKey[] keys = HmacKey.Make(opener, parent, 20);
        uint[] handles = [.. keys.Select(key => key.Load(opener, parent))];
        Assert.Equal(
            handles.Order(), opener.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList().Except([parent]));

        var random = new Random(20);
        for (int i = 0; i < 200; i++)
        {
            int key = random.Next(keys.Length);
            keys[key].Use(opener, handles[key], i);
        }

        opener.Close();
        AssertTpmEmpties();
    }

    [Fact]
    public void Fifty_openers_at_once_hold_three_keys_and_a_session_each()
    {
        Opener maker = Open();
        uint parent = maker.Transact(Tpm2.CreatePrimary()).NewHandle();
        HmacKey[] keys = HmacKey.Make(maker, parent, 50);
        maker.Close();

        Opener[] openers = [.. Enumerable.Range(0, 10).Select(_ => NewAgent())
            .SelectMany(agent => Enumerable.Range(0, 5).Select(_ => agent.Open(Mount.Node)))];
        uint[] parents = [.. All(openers, _ => Tpm2.CreatePrimary()).Select(Tpm2.NewHandle)];
        uint[][] handles = [.. Enumerable.Range(0, 3)
            .Select(
                round => All(openers, i => keys[(i + round) % 50].LoadCommand(parents[i])).Select(Tpm2.NewHandle)
                    .ToArray())];
        All(openers, i => Tpm2.FlushContext(parents[i]));
        uint[] sessions = [.. All(openers, _ => Tpm2.StartAuthSession(policy: true)).Select(Tpm2.NewHandle)];
        byte[][] cpHashes = [.. openers.Select((_, i) => SHA256.HashData([(byte)i]))];
        All(openers, i => Tpm2.PolicyCpHash(sessions[i], cpHashes[i]));

        var random = new Random(50);
        for (int text = 0; text < 4; text++)
        {
            int[] choice = [.. openers.Select(_ => random.Next(3))];
            byte[][] answers = All(openers, i => HmacKey.UseCommand(handles[choice[i]][i], text));
            for (int i = 0; i < openers.Length; i++)
            {
                keys[(i + choice[i]) % 50].Check(answers[i], text);
            }

            byte[][] digests = [.. All(openers, i => Tpm2.PolicyGetDigest(sessions[i])).Select(Tpm2.FirstSized)];
            Assert.Equal(cpHashes.Select(hash => Tpm2.PolicyCpHashDigest(hash)), digests);
        }

        openers[0].Close();
        Assert.All(openers.Skip(5), opener => opener.Agent.Kill());
        Assert.All(openers.Skip(1).Take(4), opener => opener.Close());
        AssertTpmEmpties();
    }

    [Fact]
    public void Sequence_objects_go_on_after_they_had_to_give_way()
    {
        Opener opener = Open();
        uint[] sequences = [.. Enumerable.Range(0, 6)
            .Select(_ => opener.Transact(Tpm2.HashSequenceStart()).NewHandle())];
        for (byte round = 0; round < 3; round++)
        {
            for (byte i = 0; i < sequences.Length; i++)
            {
                opener.Transact(Tpm2.SequenceUpdate(sequences[i], [i, round])).Succeeded();
            }
        }

        for (byte i = 0; i < sequences.Length; i++)
        {
            byte[] digest = opener.Transact(Tpm2.SequenceComplete(sequences[i], [i])).FirstSized();
            Assert.Equal(SHA256.HashData([i, 0, i, 1, i, 2, i]), digest);
        }

        Assert.Empty(opener.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
    }

    /// <summary>
    /// Gives every opener its command before the first answer is read, and returns the answers, which all succeed.
    /// </summary>
    private static byte[][] All(Opener[] openers, Func<int, byte[]> command)
    {
        for (int i = 0; i < openers.Length; i++)
        {
            openers[i].Submit(command(i));
        }

        return [.. openers.Select(opener => opener.Read().Data.Succeeded())];
    }
}
