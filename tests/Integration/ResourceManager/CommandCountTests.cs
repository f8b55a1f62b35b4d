using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// TPM commands per client command, counted between TpmFs and swtpm, once every key has been saved: what residency is
/// for. swtpm has three object slots and three session slots. The daemon is never idle here, so nothing is counted but
/// what clients cause.
/// </summary>
public sealed class CommandCountTests(BusyMount mount, ITestOutputHelper output)
    : MountTests(mount, output), IClassFixture<BusyMount>
{
    private const int Slots = 3;
    private readonly ITestOutputHelper _output = output;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Keys_that_fit_cost_one_command_for_each_use(int count)
    {
        Opener opener = Open();
        PrimaryKey[] keys = SavedKeys(opener, count);
        Array.ForEach(keys, key => key.Use());
        Assert.Equal(1.0, Cost(120, i => keys[i % count].Use()));
    }

    [Fact]
    public void Random_bytes_cost_one_command_beside_three_keys_and_three_sessions()
    {
        Opener opener = Open();
        SavedKeys(opener, Slots);
        for (int i = 0; i < Slots; i++)
        {
            opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        }

        Assert.Equal(1.0, Cost(100, _ => opener.Transact(Tpm2.GetRandom(8)).Succeeded()));
    }

    [Fact]
    public void Four_openers_with_a_key_each_cost_three_commands_at_most()
    {
        PrimaryKey[] keys = [.. Enumerable.Range(0, 4).Select(i => PrimaryKey.Create(Open(), $"opener {i}"))];
        Cost(8, i => keys[i % 4].Use());
        Assert.InRange(Cost(200, i => keys[i % 4].Use()), 1.0, 3.0);
    }

    [Fact]
    public void Six_keys_in_turn_cost_three_commands_at_most_and_less_once_the_policy_has_learned()
    {
        Opener opener = Open();
        PrimaryKey[] keys = SavedKeys(opener, 6);
        Assert.InRange(Cost(6, i => keys[i].Use()), 1.0, 3.0);
        Assert.InRange(Cost(60, i => keys[i % 6].Use()), 2.0, 2.6);
        Assert.InRange(Cost(300, i => keys[i % 6].Use()), 2.0, 2.3); // the optimum is 1 + 2 * 3/5
    }

    [Fact]
    public void A_policy_session_costs_one_command_for_each_use()
    {
        Opener opener = Open();
        uint session = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        Assert.Equal(1.0, Cost(100, _ => opener.Transact(Tpm2.PolicyGetDigest(session)).Succeeded()));
    }

    [Fact]
    public void Opening_asking_for_random_bytes_and_closing_costs_one_command()
    {
        Agent agent = NewAgent();
        Assert.Equal(1.0, Cost(100, _ =>
        {
            Opener opener = agent.Open(Mount.Node);
            opener.Transact(Tpm2.GetRandom(8)).Succeeded();
            opener.Close();
        }));
    }

    [Fact]
    public void An_object_is_saved_once_however_often_it_leaves()
    {
        Opener opener = Open();
        PrimaryKey[] keys = SavedKeys(opener, 6);
        int saved = Mount.Proxy.Count(TpmCc.ContextSave);
        Cost(60, i => keys[i % 6].Use());
        Assert.Equal(saved, Mount.Proxy.Count(TpmCc.ContextSave));
    }

    /// <summary>So many keys, each of which has been saved, as at its first eviction.</summary>
    private static PrimaryKey[] SavedKeys(Opener opener, int count)
    {
        PrimaryKey[] keys = [.. Enumerable.Range(0, count).Select(i => PrimaryKey.Create(opener, $"key {i}"))];
        Array.ForEach(keys, key => opener.Transact(Tpm2.ContextSave(key.Handle)).Succeeded());
        return keys;
    }

    private double Cost(int uses, Action<int> use)
    {
        int before = Mount.Proxy.Commands.Count;
        for (int i = 0; i < uses; i++)
        {
            use(i);
        }

        double cost = (Mount.Proxy.Commands.Count - before) / (double)uses;
        _output.WriteLine($"{uses} client commands: {cost:0.00} TPM commands each");
        return cost;
    }
}
