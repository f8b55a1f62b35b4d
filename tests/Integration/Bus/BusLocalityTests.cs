using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>SetLocality, proved by what the TPM itself says of the commands.</summary>
public sealed class BusLocalityTests(BusMount mount, ITestOutputHelper output) : BusTests(mount, output)
{
    [Fact]
    public void Creation_data_name_the_locality_that_was_set()
    {
        Opener opener = Connect();
        LocalityProof.AssertCreatedAt(0, opener);
        for (int locality = 4; locality >= 0; locality--)
        {
            Set(opener, locality);
            LocalityProof.AssertCreatedAt(locality, opener);
        }
    }

    [Fact]
    public void A_policy_that_demands_a_locality_is_satisfied_at_that_one_only()
    {
        Opener opener = Connect();
        for (int wanted = 0; wanted <= 4; wanted++)
        {
            uint key = LocalityProof.CreateKeyFor(wanted, opener);
            for (int here = 0; here <= 4; here++)
            {
                Set(opener, here);
                LocalityProof.AssertOpens(here, wanted, key, opener);
            }

            opener.Transact(Tpm2.FlushContext(key)).Succeeded();
        }
    }

    [Fact]
    public void It_holds_for_one_connection_of_a_process_and_shows_in_openers()
    {
        Opener first = Connect();
        Opener second = Connect(first.Agent);
        Set(first, 3);
        Assert.Equal(
            [$"{first.Agent.Id} rm0 3", $"{first.Agent.Id} rm0 0"],
            Read(At("openers")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
                .Where(words => words[2] == $"{first.Agent.Id}").Select(words => $"{words[2]} {words[4]} {words[5]}"));
        LocalityProof.AssertCreatedAt(0, second);
        LocalityProof.AssertCreatedAt(3, first);
    }

    [Fact]
    public void It_is_refused_where_the_caller_could_not_open_the_node()
    {
        Opener opener = Connect(User.Member);
        Assert.NotEqual(0, opener.Call("tcti_locality", 1).Value);
        Deadline.Poll(
            () => Mount.Daemon.Printed.Contains(
                $"process {opener.Agent.Id} (python3) of user {User.Member.Uid} is refused: user {User.Member.Uid} may "
                    + "not open locality/1/rm0 of tpmfs",
                StringComparison.Ordinal),
            "the refusal is in the audit", () => Mount.Daemon.Printed);
        LocalityProof.AssertCreatedAt(0, opener);
        Mount.Sandbox.Shell(
            $"setfacl -m u:{User.Member.Uid}:x {At("locality")} {At("locality/1")}; "
                + $"setfacl -m u:{User.Member.Uid}:rw {At("locality/1/rm0")}");
        Set(opener, 1);
        LocalityProof.AssertCreatedAt(1, opener);
        Mount.Sandbox.Shell($"setfacl -b {At("locality")} {At("locality/1")} {At("locality/1/rm0")}");
        Assert.NotEqual(0, opener.Call("tcti_locality", 1).Value);
        Assert.NotEqual(0, opener.Call("tcti_locality", 5).Value);
        LocalityProof.AssertCreatedAt(1, opener);
    }

    private static void Set(Opener opener, int locality) =>
        Assert.Equal(0, opener.Call("tcti_locality", locality).Value);
}
