using System.Diagnostics;
using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>The TPM itself, beside its managed nodes.</summary>
public sealed class RawTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const uint ObjectMemory = Layer | 0x902, SessionMemory = Layer | 0x903;

    /// <summary>
    /// The time for which raw and managed clients hammer the TPM together: TPMFS_TEST_HAMMER_SECONDS, or 5.
    /// </summary>
    private static readonly TimeSpan s_hammering = TimeSpan.FromSeconds(
        int.Parse(
            Environment.GetEnvironmentVariable("TPMFS_TEST_HAMMER_SECONDS") ?? "5", CultureInfo.InvariantCulture));

    [Fact]
    public void All_raw_nodes_have_one_opener_together()
    {
        foreach (string held in (string[])["raw0", "locality/0/raw0", "locality/3/raw0"])
        {
            Opener raw = OpenRaw(held);
            foreach (string node in (string[])["raw0", "locality/0/raw0", "locality/3/raw0", "locality/4/raw0"])
            {
                Assert.Equal("EBUSY", Admin.Call("open", At(node), "O_RDWR").Errno);
            }

            Admin.Call("use", At("rm0")).Data.Succeeded();
            Admin.Call("use", At("locality/3/rm0")).Data.Succeeded();
            raw.Transact(Tpm2.GetRandom(8)).Succeeded();
            raw.Close();
        }
    }

    /// <summary>
    /// The kernel does not wait for a close to be answered: what opens next may come while it is on its way.
    /// </summary>
    [Fact]
    public void A_raw_node_is_free_as_soon_as_it_is_closed() => Admin.Call("use", At("raw0"), 500).Data.Succeeded();

    /// <summary>
    /// A user with no permission at all called file_getattr(2), for which the kernel opens the file, and root's opens
    /// of raw0 got EBUSY.
    /// </summary>
    [Fact]
    public void A_user_who_may_not_open_a_raw_node_keeps_nobody_from_it_by_asking_for_its_flags()
    {
        string script = Path.Combine(Mount.Sandbox.Scripts, "clients", "fileattr.py");
        ChildProcess asker = EndWithTest(
            Mount.Sandbox.Start(User.Outsider, ["/usr/bin/python3", script, At("raw0")]));
        Deadline.Poll(
            () => asker.Printed.Contains('\n', StringComparison.Ordinal) || asker.HasExited, "an answer",
            asker.Describe);
        Assert.Contains(asker.Printed.Trim(), (string[])["ENOTSUP", "EOPNOTSUPP", "ENOSYS"]); // not before Linux 6.17

        Admin.Call("use", At("raw0"), 500).Data.Succeeded();
        Assert.DoesNotContain(Openers(Mount.Daemon.MountPoint), line => line[1] == $"{User.Outsider.Uid}");
    }

    [Fact]
    public void A_raw_opener_that_is_killed_gives_the_node_free()
    {
        Opener raw = OpenRaw("raw0");
        raw.Submit(Tpm2.GetRandom(8));
        raw.Agent.Kill();
        OpenRaw("locality/1/raw0").Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void Raw_and_managed_openers_see_nothing_of_each_others()
    {
        Opener managed = Open();
        uint[] keys = [.. Enumerable.Range(0, 3).Select(_ => managed.Transact(Tpm2.CreatePrimary()).NewHandle())];
        uint[] sessions = [.. Enumerable.Range(0, 3)
            .Select(_ => managed.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];
        byte[][] publicParts = [.. keys.Select(key => managed.Transact(Tpm2.ReadPublic(key)).Succeeded())];

        Opener raw = OpenRaw("raw0");
        Assert.Empty(raw.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
        Assert.Empty(raw.Transact(Tpm2.ListHandles(Tpm2.LoadedSessions)).HandleList());
        uint rawKey = raw.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
        Assert.Equal(Tpm2.TransientFirst, rawKey);
        byte[] rawPublic = raw.Transact(Tpm2.ReadPublic(rawKey)).Succeeded();
        uint rawSession = raw.Transact(Tpm2.StartAuthSession(policy: false)).NewHandle();

        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(publicParts[i], managed.Transact(Tpm2.ReadPublic(keys[i])));
            managed.Transact(Tpm2.PolicyGetDigest(sessions[i])).Succeeded();
            Assert.Equal([rawKey], raw.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
            Assert.Equal([rawSession], raw.Transact(Tpm2.ListHandles(Tpm2.LoadedSessions)).HandleList());
            Assert.Equal(rawPublic, raw.Transact(Tpm2.ReadPublic(rawKey)));
        }

        Assert.Equal(keys, managed.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList());
        Assert.Equal(sessions.Order(), managed.Transact(Tpm2.ListHandles(Tpm2.LoadedSessions)).HandleList().Order());
        Assert.Equal(0x910u, managed.Transact(Tpm2.PolicyGetDigest(rawSession)).Code());
        raw.Transact(Tpm2.FlushContext(rawKey)).Succeeded();
        raw.Transact(Tpm2.FlushContext(rawSession)).Succeeded();
    }

    [Fact]
    public void Codes_of_the_tpm_reach_a_raw_opener_without_a_layer()
    {
        Opener raw = OpenRaw("raw0");
        Assert.Equal(0x910u, raw.Transact(Tpm2.ReadPublic(0x8000_0001)).Code());
        Assert.Equal(0x1CBu, raw.Transact(Tpm2.FlushContext(0x8000_0001)).Code());
        Assert.Equal(0x100u, raw.Transact(TreeCommands.Startup()).Code());
    }

    [Fact]
    public void What_raw_does_to_the_tpm_is_noticed_by_managed_openers()
    {
        Opener managed = Open();
        uint key = managed.Transact(Tpm2.CreatePrimary()).NewHandle();
        uint kept = managed.Transact(Tpm2.CreatePrimary(Tpm2.Null)).NewHandle();
        OpenRaw("raw0").Transact(TreeCommands.Clear()).Succeeded();
        Assert.Equal(0x910u, managed.Transact(Tpm2.ReadPublic(key)).Code());
        managed.Transact(Tpm2.ReadPublic(kept)).Succeeded();
        managed.Transact(Tpm2.CreatePrimary()).NewHandle();
    }

    [Fact]
    public void While_raw_holds_every_slot_managed_commands_that_need_one_wait_10_seconds_and_the_others_go_on()
    {
        Opener raw = OpenRaw("raw0");
        uint[] keys = [.. Enumerable.Range(0, 3).Select(_ => raw.Transact(Tpm2.CreatePrimary()).NewHandle())];
        uint[] sessions = [.. Enumerable.Range(0, 3)
            .Select(_ => raw.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())];
        Opener key = Open(), session = Open(), other = Open();
        var clock = Stopwatch.StartNew();
        key.Submit(Tpm2.CreatePrimary());
        session.Submit(Tpm2.StartAuthSession(policy: true));
        Task<Reply> keyRead = key.BeginRead(), sessionRead = session.BeginRead();
        for (int i = 0; i < 5; i++)
        {
            other.Transact(Tpm2.ReadClock()).Succeeded();
            raw.Transact(Tpm2.ReadClock()).Succeeded();
        }

        Assert.False(keyRead.IsCompleted || sessionRead.IsCompleted);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(9));
        Assert.Equal(ObjectMemory, key.Agent.End(keyRead).Data.Code());
        Assert.Equal(SessionMemory, session.Agent.End(sessionRead).Data.Code());
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(20));

        // What waits is served as soon as raw lets something go.
        key.Submit(Tpm2.CreatePrimary());
        session.Submit(Tpm2.StartAuthSession(policy: true));
        raw.Transact(Tpm2.ReadClock()).Succeeded();
        clock.Restart();
        raw.Transact(Tpm2.FlushContext(keys[1])).Succeeded();
        raw.Transact(Tpm2.FlushContext(sessions[1])).Succeeded();
        key.Read().Data.NewHandle();
        session.Read().Data.NewHandle();
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(9));

        // What raw leaves loaded is nobody's: only raw can flush it.
        raw.Close();
        key.Transact(Tpm2.GetRandom(8)).Succeeded();
        Opener next = OpenRaw("raw0");
        Assert.All(
            [keys[0], keys[2], sessions[0], sessions[2]],
            handle => next.Transact(Tpm2.FlushContext(handle)).Succeeded());
    }

    [Fact]
    public void Raw_and_managed_clients_hammer_the_tpm_together_and_nothing_leaks()
    {
        int files = Mount.Daemon.CountFiles();
        string script = Path.Combine(Mount.Sandbox.Scripts, "clients", "hammer.py");
        string seconds = $"{s_hammering.TotalSeconds:0}";
        ChildProcess[] clients =
        [
            .. Enumerable.Range(0, 6).Select(i => Start(i % 2 == 0 ? User.Root : User.Member, "rm0")),
            Start(User.Root, "locality/2/rm0"),
            Start(User.Root, "raw0"),
        ];
        try
        {
            Assert.All(clients, client => client.Wait(s_hammering + Deadline.Client).Succeeded());
        }
        finally
        {
            Array.ForEach(clients, client => client.Dispose());
        }

        AssertTpmEmpties();
        Deadline.Poll(
            () => Mount.Daemon.CountFiles() <= files + 8, "as few open files as before", Mount.Daemon.Describe);
        Assert.Empty(Openers(Mount.Daemon.MountPoint));
        Assert.True(Mount.Proxy.Count(TpmCc.CreatePrimary) > 10);

        ChildProcess Start(User user, string node) =>
            Mount.Sandbox.Start(user, ["/usr/bin/python3", script, At(node), seconds]);
    }

    private Opener OpenRaw(string node)
    {
        Agent agent = NewAgent();
        Reply opened = new(-1, [], "EBUSY");
        Deadline.Poll(
            () => (opened = agent.Call("open", At(node), "O_RDWR")).Errno != "EBUSY", $"{node} can be opened");
        Assert.Null(opened.Errno);
        return new Opener(agent, (int)opened.Value);
    }
}
