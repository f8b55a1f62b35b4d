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
        Assert.Equal(0x910u, codes[1]);
        Assert.Equal(ActiveSessionsMax - 1, codes.Count(code => code == 0));
    }

    /// <summary>
    /// Sessions that were used more often than every 2 s used to be safe: everybody else, root too, got 0xB0905 for
    /// ever.
    /// </summary>
    [Fact]
    public void A_newcomer_and_root_get_sessions_though_another_user_holds_all_of_them_and_uses_each_all_the_time()
    {
        Agent holder = NewAgent(User.Member);
        Opener[] holders = [.. Enumerable.Range(0, ActiveSessionsMax).Select(_ => holder.Open(Mount.Node))];
        uint[] sessions = [.. holders.Select(one => one.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];
        foreach (User user in (User[])[User.OtherMember, User.Root])
        {
            Opener newcomer = Open(user: user);
            newcomer.Submit(Tpm2.StartAuthSession(policy: true));
            Task<Reply> response = newcomer.BeginRead();
            var clock = Stopwatch.StartNew();
            while (!response.IsCompleted)
            {
                Assert.True(clock.Elapsed < TimeSpan.FromSeconds(8), "no session in 8 s");
                for (int i = 0; i < holders.Length; i++)
                {
                    holders[i].Transact(Tpm2.PolicyGetDigest(sessions[i]));
                }
            }

            uint session = newcomer.Agent.End(response).Data.NewHandle();
            _output.WriteLine($"uid {user.Uid}: a session after {clock.Elapsed.TotalSeconds:0.00} s");
            newcomer.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();
        }

        uint[] codes = [.. holders.Select((one, i) => one.Transact(Tpm2.PolicyGetDigest(sessions[i])).Code())];
        Assert.Equal(2, codes.Count(code => code == 0x910u));
        Assert.Equal(ActiveSessionsMax - 2, codes.Count(code => code == 0));
    }

    /// <summary>Of all sessions, those that a client had saved used to go first, whoever asked for more.</summary>
    [Fact]
    public void A_saved_session_survives_that_another_user_starts_all_the_others_and_asks_for_more()
    {
        Opener saver = Open(user: User.OtherMember);
        byte[] saved =
            saver.Transact(Tpm2.ContextSave(saver.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle()));
        saver.Close();
        Agent greedy = NewAgent(User.Member);
        Opener[] openers = [.. Enumerable.Range(0, ActiveSessionsMax).Select(_ => greedy.Open(Mount.Node))];
        Array.ForEach(openers[1..], opener => opener.Transact(Tpm2.StartAuthSession(policy: true)).Succeeded());
        uint refused = openers[0].Transact(Tpm2.StartAuthSession(policy: true)).Code();
        Opener later = Open(user: User.OtherMember);
        uint session = later.Transact(Tpm2.ContextLoad(saved)).NewHandle();
        later.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();
        _output.WriteLine($"the 64th session of one user: 0x{refused:X}");
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
