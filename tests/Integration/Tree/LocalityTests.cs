using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// A locality is a directory: proved by what the TPM itself says of the commands that come through its nodes.
/// </summary>
public sealed class LocalityTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    [Theory]
    [InlineData("rm0")]
    [InlineData("raw0")]
    public void Creation_data_name_the_locality_of_the_node(string node)
    {
        Opener plain = OpenAt(At(node));
        LocalityProof.AssertCreatedAt(0, plain);
        plain.Close();
        for (int locality = 0; locality <= 4; locality++)
        {
            Opener opener = OpenWhenFree($"locality/{locality}/{node}");
            LocalityProof.AssertCreatedAt(locality, opener);
            opener.Close();
        }
    }

    [Fact]
    public void Creation_data_of_a_users_and_a_domains_node_name_it_too()
    {
        foreach (string domain in (string[])[NewDomain(), NewUser().Path])
        {
            LocalityProof.AssertCreatedAt(0, OpenAt($"{domain}/rm0"));
            LocalityProof.AssertCreatedAt(3, OpenAt($"{domain}/locality/3/rm0"));
        }
    }

    [Fact]
    public void A_policy_that_demands_a_locality_is_satisfied_at_that_one_only()
    {
        Opener[] openers = [.. Enumerable.Range(0, 5).Select(locality => OpenAt(At($"locality/{locality}/rm0")))];
        for (int here = 0; here <= 4; here++)
        {
            Opener opener = openers[here];
            for (int wanted = 0; wanted <= 4; wanted++)
            {
                uint key = LocalityProof.CreateKeyFor(wanted, opener);
                LocalityProof.AssertOpens(here, wanted, key, opener);
                opener.Transact(Tpm2.FlushContext(key)).Succeeded();
            }
        }
    }

    /// <summary>TCG PC Client Platform TPM Profile, "PCR attributes".</summary>
    [Theory]
    [InlineData(17, 2, 4)]
    [InlineData(20, 1, 3)]
    [InlineData(21, 2, 2)]
    [InlineData(22, 2, 2)]
    [InlineData(23, 0, 4)]
    public void A_pcr_is_extended_at_its_localities_only(uint pcr, int first, int last)
    {
        for (int locality = 0; locality <= 4; locality++)
        {
            Opener opener = OpenAt(At($"locality/{locality}/rm0"));
            uint expected = locality >= first && locality <= last ? 0 : LocalityProof.Refused;
            Assert.Equal(
                (locality, expected), (locality, opener.Transact(TreeCommands.PcrExtend(pcr, new byte[32])).Code()));
        }
    }

    [Fact]
    public void Commands_of_many_localities_at_once_do_not_mix()
    {
        Opener[] openers = [.. Enumerable.Range(0, 10).Select(i => OpenAt(At($"locality/{i % 5}/rm0")))];
        for (int round = 0; round < 5; round++)
        {
            Array.ForEach(openers, opener => opener.Submit(TreeCommands.CreatePolicyKey(new byte[32])));
            for (int i = 0; i < openers.Length; i++)
            {
                byte[] response = openers[i].Read().Data;
                Assert.Equal(1 << (i % 5), TreeCommands.CreationLocality(response));
                openers[i].Submit(Tpm2.FlushContext(response.NewHandle()));
            }

            Assert.All(openers, opener => opener.Read().Data.Succeeded());
        }
    }

    [Fact]
    public void A_saved_session_stays_at_its_locality()
    {
        Opener owner = OpenAt(At("locality/2/rm0"));
        byte[] context = owner.Transact(
            Tpm2.ContextSave(owner.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())).Succeeded();
        Assert.Equal(0x1CBu, OpenAt(At("locality/3/rm0")).Transact(Tpm2.ContextLoad(context)).Code());
        Assert.Equal(0x1CBu, OpenAt(At("rm0")).Transact(Tpm2.ContextLoad(context)).Code());
        Opener same = OpenAt(At("locality/2/rm0"));
        same.Transact(Tpm2.FlushContext(same.Transact(Tpm2.ContextLoad(context)).NewHandle())).Succeeded();
    }

    /// <summary>A raw node may still be busy for a moment after its last opener's close(2).</summary>
    private Opener OpenWhenFree(string node)
    {
        Reply opened = new(-1, [], "EBUSY");
        Deadline.Poll(
            () => (opened = Admin.Call("open", At(node), "O_RDWR")).Errno != "EBUSY", $"{node} can be opened");
        Assert.Null(opened.Errno);
        return new Opener(Admin, (int)opened.Value);
    }
}
