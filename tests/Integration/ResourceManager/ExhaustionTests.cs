using System.Diagnostics;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>Nobody can keep others from the TPM: not by holding what it has, and not by keeping it busy.</summary>
public sealed class ExhaustionTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    private const int ActiveSessionsMax = 64;
    private readonly ITestOutputHelper _output = output;

    [Fact]
    public void A_newcomer_gets_one_of_the_sessions_that_another_user_holds_all_of_within_three_seconds()
    {
        Agent holder = NewAgent(User.Member);
        Opener[] holders = [.. Enumerable.Range(0, ActiveSessionsMax).Select(_ => holder.Open(Mount.Node))];
        uint[] sessions = [.. holders.Select(one => one.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];
        // so the second one's is the least recently used
        holders[0].Transact(Tpm2.PolicyGetDigest(sessions[0])).Succeeded();
        var full = TpmContents.Of(Mount.Proxy);
        Assert.Equal(ActiveSessionsMax, full.LoadedSessions.Count + full.SavedSessions.Count);

        Opener newcomer = Open(user: User.OtherMember);
        var clock = Stopwatch.StartNew();
        uint session = newcomer.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        TimeSpan waited = clock.Elapsed;
        _output.WriteLine($"a session after {waited.TotalSeconds:0.00} s");
        Assert.True(waited < TimeSpan.FromSeconds(3), $"{waited}");
        newcomer.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();

        uint[] codes = [.. holders.Select((one, i) => one.Transact(Tpm2.PolicyGetDigest(sessions[i])).Code())];
        Assert.Equal(0x000B_0910u, codes[1]);
        Assert.Equal(ActiveSessionsMax - 1, codes.Count(code => code == 0));
    }

    [Fact]
    public void A_device_client_initialises_while_another_opener_s_long_command_runs_and_is_served_right_after_it()
    {
        TimeSpan length = Soak.Time(usually: TimeSpan.FromSeconds(12), soaking: TimeSpan.FromSeconds(30));
        Opener slow = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        var clock = Stopwatch.StartNew();
        using ChildProcess client = Mount.Sandbox.Start(
            User.Member, ["tpm2_getrandom", "--hex", "16"],
            new Dictionary<string, string> { ["TPM2TOOLS_TCTI"] = $"device:{Mount.Node}" });
        client.Input.Close();
        Deadline.Poll(() => client.HasExited || clock.Elapsed > length, "a long command's end");
        Assert.False(client.HasExited, client.Describe());

        int random = Mount.Proxy.Count(TpmCc.GetRandom);
        hold.Release();
        clock.Restart();
        Assert.Equal(32, client.Wait().Succeeded().Output.Trim().Length);
        _output.WriteLine(
            $"held for {length.TotalSeconds:0} s; the client was done {clock.Elapsed.TotalSeconds:0.00} s after");
        Assert.True(Mount.Proxy.Count(TpmCc.GetRandom) > random);
        slow.Read().Data.NewHandle();
    }
}
