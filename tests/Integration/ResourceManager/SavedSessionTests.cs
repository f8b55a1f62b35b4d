using System.Diagnostics;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.ResourceManager;

/// <summary>
/// Sessions that outlive the process that started them: for their user, for as long as they are wanted, and to nobody's
/// harm.
/// </summary>
public sealed class SavedSessionTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    private readonly ITestOutputHelper _output = output;

    /// <summary>
    /// Each tool loads the session from its file, extends its policy, and saves it to the file again.
    /// </summary>
    [Fact]
    public void A_policy_session_in_a_file_serves_ten_more_processes_of_its_user_and_no_other_user()
    {
        const string steps = """
            export TPM2TOOLS_TCTI="$2"
            for i in $(seq 1 10); do
                tpm2_policypcr -S session.ctx -l sha256:$i -L digest >/dev/null
                od -An -tx1 digest
            done
            """;
        const string start = "export TPM2TOOLS_TCTI=\"$2\"; tpm2_startauthsession --policy-session -S session.ctx";
        string folder = Mount.Sandbox.MakeFolder("session");
        string bare = Mount.Sandbox.MakeFolder("session-bare");
        string node = $"device:{Mount.Node}";

        Shell(User.Root, bare, start, Mount.Bare.Tcti).Succeeded();
        string expected = Shell(User.Root, bare, steps, Mount.Bare.Tcti).Succeeded().Output;
        Shell(User.Root, bare, "TPM2TOOLS_TCTI=\"$2\" tpm2_flushcontext session.ctx", Mount.Bare.Tcti).Succeeded();

        Shell(User.Member, folder, start + "; chmod 644 session.ctx", node).Succeeded();
        RefusedToOther(folder, node);
        Assert.Equal(expected, Shell(User.Member, folder, steps, node).Succeeded().Output);
        Shell(User.Member, folder, "chmod 644 session.ctx", node).Succeeded();
        RefusedToOther(folder, node);
        Shell(User.Member, folder, "TPM2TOOLS_TCTI=\"$2\" tpm2_flushcontext session.ctx", node).Succeeded();
    }

    [Fact]
    public void Thousands_of_abandoned_sessions_leave_later_clients_unharmed()
    {
        int count = Soak.Count(usually: 2_000, soaking: 10_000);
        var clock = Stopwatch.StartNew();
        Agent[] users = [.. Enumerable.Range(0, 4)
            .Select(i => NewAgent(new User(54_340 + (uint)i, User.Member.Group)))];
        byte[][] last = new byte[users.Length][];
        for (int i = 0; i < count; i++)
        {
            Opener opener = users[i % users.Length].Open(Mount.Node);
            last[i % users.Length] = opener.Transact(
                Tpm2.ContextSave(opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())).Succeeded();
            opener.Close();
        }

        _output.WriteLine($"{count} sessions abandoned in {clock.Elapsed.TotalSeconds:0.0} s");
        clock.Restart();
        Opener later = Open();
        later.Transact(Tpm2.PolicyGetDigest(later.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle()))
            .Succeeded();
        Assert.True(clock.Elapsed < TimeLimit, $"a session after {clock.Elapsed}");
        later.Close();
        for (int i = 0; i < users.Length; i++)
        {
            Opener opener = users[i].Open(Mount.Node);
            uint session = opener.Transact(Tpm2.ContextLoad(last[i])).NewHandle();
            opener.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();
            opener.Transact(Tpm2.FlushContext(session)).Succeeded();
            FlushSaved(opener);
        }
    }

    /// <summary>
    /// A TPM that is asked to save more sessions than TPM_PT_CONTEXT_GAP_MAX after the oldest saved one refuses with
    /// TPM_RC_CONTEXT_GAP.
    /// </summary>
    [Fact]
    public void A_session_that_is_idle_while_others_are_saved_thousands_of_times_still_works()
    {
        int count = Soak.Count(usually: 2_000, soaking: 70_000);
        Opener idle = Open();
        uint kept = idle.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        idle.Transact(Tpm2.PolicyCpHash(kept, new byte[32])).Succeeded();
        byte[] saved = idle.Transact(Tpm2.ContextSave(idle.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle()))
            .Succeeded();
        Opener busy = Open(user: User.Member);
        uint session = busy.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        var clock = Stopwatch.StartNew();
        int before = Mount.Proxy.Count(TpmCc.ContextSave);
        for (int i = 0; i < count; i++)
        {
            session = busy.Transact(Tpm2.ContextLoad(busy.Transact(Tpm2.ContextSave(session)).Succeeded())).NewHandle();
        }

        int saves = Mount.Proxy.Count(TpmCc.ContextSave) - before;
        _output.WriteLine($"{saves} sessions saved in {clock.Elapsed.TotalSeconds:0.0} s");
        Assert.True(saves >= count);
        Assert.Equal(Tpm2.PolicyCpHashDigest(new byte[32]), idle.Transact(Tpm2.PolicyGetDigest(kept)).FirstSized());
        idle.Transact(Tpm2.PolicyGetDigest(idle.Transact(Tpm2.ContextLoad(saved)).NewHandle())).Succeeded();
    }

    /// <summary>
    /// Long before anybody would have to give a session up (2 s): those that nobody will miss go first.
    /// </summary>
    private static TimeSpan TimeLimit => TimeSpan.FromSeconds(1.5);

    private static void FlushSaved(Opener opener)
    {
        foreach (uint saved in opener.Transact(Tpm2.ListHandles(Tpm2.SavedSessions)).HandleList())
        {
            opener.Transact(Tpm2.FlushContext(saved)).Succeeded();
        }
    }

    private void RefusedToOther(string folder, string node)
    {
        Outcome refused =
            Shell(User.OtherMember, folder, "TPM2TOOLS_TCTI=\"$2\" tpm2_policypcr -S session.ctx -l sha256:0", node);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("0x1CB", refused.Error, StringComparison.OrdinalIgnoreCase);
    }

    private Outcome Shell(User user, string folder, string script, string tcti)
    {
        using ChildProcess process =
            Mount.Sandbox.Start(user, ["sh", "-euc", script, "sh", folder, tcti], folder: folder);
        process.Input.Close();
        return process.Wait();
    }
}
