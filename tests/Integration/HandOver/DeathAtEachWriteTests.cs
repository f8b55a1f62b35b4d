using System.Security.Cryptography;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.ResourceManager;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// A client repeats the same commands, and the daemon dies each time: at its first write to a mirror, then at its
/// second, and so on. After each death the next daemon completes the command that was under way, once.
/// </summary>
public sealed class DeathAtEachWriteTests : KeptServiceTests
{
    private const int Writes = 12;
    private const int Hangup = 1;

    /// <summary>A command that the daemon itself never sends, so that it can be counted.</summary>
    private static readonly byte[] s_hash =
        new TpmCommandBuilder(TpmCc.Hash).Sized("data"u8).U16(0x0B).U32(Tpm2.Null).Build(); // TPM_ALG_SHA256

    [Fact]
    public void A_command_is_executed_once_also_between_the_answer_of_the_TPM_and_its_record()
    {
        KeptService service = StartDyingService();
        Opener opener = Open(service.Node);
        AtEachWrite(service, number =>
        {
            uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
            Assert.Equal(number, Proxy.Count(TpmCc.CreatePrimary));
            opener.Transact(Tpm2.ReadPublic(key)).Succeeded();
            opener.Transact(Tpm2.FlushContext(key)).Succeeded();
        });
        opener.Close();
        AssertTpmEmpties(service);
    }

    /// <summary>
    /// A sequence's result shows each of its updates, so an update that was executed twice makes the result differ.
    /// </summary>
    [Fact]
    public void A_TPM_over_TCP_executes_a_command_once_too()
    {
        SoftwareTpm tcp = Own(new SoftwareTpm(Sandbox, "tcp", tcp: true));
        KeptService service = Own(new KeptService(
            Sandbox, tcp.Tcti, Sandbox.MakeFolder("mnt"), program: Sandbox.ProgramWithKillSwitch));
        Opener opener = Open(service.Node);
        AtEachWrite(service, number =>
        {
            uint sequence = opener.Transact(Tpm2.HashSequenceStart()).NewHandle();
            opener.Transact(Tpm2.SequenceUpdate(sequence, "one"u8)).Succeeded();
            opener.Transact(Tpm2.SequenceUpdate(sequence, "two"u8)).Succeeded();
            byte[] hash = opener.Transact(Tpm2.SequenceComplete(sequence, "three"u8)).FirstSized();
            Assert.Equal(SHA256.HashData("onetwothree"u8), hash);
        });
    }

    [Fact]
    public void A_second_death_while_the_next_daemon_takes_over_loses_nothing()
    {
        KeptService service = StartDyingService();
        Opener opener = Open(service.Node), waiting = Open(service.Node);
        var key = PrimaryKey.Create(opener, "key");
        uint session = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        TpmHold hold = Proxy.Hold(TpmCc.Hash);
        waiting.Submit(s_hash);
        Task<Reply> response = waiting.BeginRead();
        waiting.Agent.WaitUntilBlockedIn(waiting.Descriptor);
        hold.WaitUntilHeld();

        for (int number = 1; number <= Writes; number++)
        {
            int ended = service.Ended;
            service.Hold();
            service.Kill();
            service.AwaitEnded(ended + 1);
            service.DieAtWrite(number);
            service.Release();
            service.AwaitEnded(ended + 2);
            service.AwaitServing();
        }

        hold.Release();
        waiting.Agent.End(response).Data.Succeeded();
        Assert.Equal(1, Proxy.Count(TpmCc.Hash));
        Assert.True(key.Lives());
        opener.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();
        Close(service, opener, waiting);
    }

    [Fact]
    public void A_suspend_is_completed_and_what_openers_have_lives_after_the_resume()
    {
        KeptService service = StartDyingService();
        Opener opener = Open(service.Node);
        var key = PrimaryKey.Create(opener, "key");
        uint session = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        AtEachWrite(service, _ =>
        {
            Tpmfs(service, "suspend");
            var contents = TpmContents.Of(Proxy);
            Assert.True(contents is { Objects.Count: 0, LoadedSessions.Count: 0 }, contents.ToString());
            Assert.Equal("suspended\n", Sandbox.Shell($"cat {service.MountPoint}/power"));
            Assert.Equal(0x922u, opener.Transact(Tpm2.ReadClock()).Code()); // TPM_RC_RETRY
            Tpmfs(service, "resume");
            Assert.True(key.Lives());
            opener.Transact(Tpm2.PolicyGetDigest(session)).Succeeded();
        });
        Close(service, opener);
    }

    [Fact]
    public void A_raw_opener_and_the_others_keep_what_they_have()
    {
        KeptService service = StartDyingService();
        Opener managed = Open(service.Node), raw = Open(Path.Combine(service.MountPoint, "raw0"));
        var key = PrimaryKey.Create(managed, "managed");
        var rawKey = PrimaryKey.Create(raw, "raw");
        AtEachWrite(service, number =>
        {
            raw.Transact(s_hash).Succeeded();
            Assert.Equal(number, Proxy.Count(TpmCc.Hash));
            Assert.True(rawKey.Lives());
            Assert.True(key.Lives());
        });
        Assert.Equal("EBUSY", managed.Agent.Call("open", Path.Combine(service.MountPoint, "raw0"), "O_RDWR").Errno);
        raw.Transact(Tpm2.FlushContext(rawKey.Handle)).Succeeded();
        Close(service, managed, raw);
    }

    [Fact]
    public void A_domain_that_is_removed_is_gone_and_its_openers_with_it()
    {
        KeptService service = StartDyingService();
        Opener other = Open(service.Node);
        var key = PrimaryKey.Create(other, "key");
        string domain = Path.Combine(service.MountPoint, "domains", "short");
        AtEachWrite(
            service,
            prepare: () =>
            {
                Assert.Null(other.Agent.Call("mkdir", domain).Errno);
                Opener inside = other.Agent.Open(Path.Combine(domain, "rm0"));
                inside.Transact(Tpm2.CreatePrimary()).NewHandle();
                return inside;
            },
            (_, inside) =>
            {
                Assert.Null(other.Agent.Call("rmdir", domain).Errno);
                Assert.Equal("ENODEV", inside.Write(Tpm2.GetRandom(8)).Errno);
                inside.Close();
                Assert.Equal("ENOENT", other.Agent.Call("list", domain).Errno);
                Assert.True(key.Lives());
            });
        Close(service, other);
    }

    [Fact]
    public void A_reload_is_completed_and_openers_go_on()
    {
        string file = Path.Combine(Sandbox.MakeRootsFolder("configuration"), "tpmfs.json");
        Configure(limit: 20, domain: "even");
        KeptService service = StartDyingService("--config", file);
        Opener opener = Open(Path.Combine(service.MountPoint, "domains", "lasting", "rm0"));
        var key = PrimaryKey.Create(opener, "key");
        AtEachWrite(service, number =>
        {
            string domain = number % 2 == 0 ? "even" : "odd";
            Configure(limit: 20 + number, domain);
            service.Send(Hangup);
            string wanted = string.Join('\n', ((string[])[domain, "lasting"]).Order(StringComparer.Ordinal));
            Deadline.Poll(
                () => Shown() == $"{20 + number}\n{wanted}\n", "the new configuration",
                () => Shown() + service.Describe());
            Assert.True(key.Lives());
        });
        Close(service, opener);

        string Shown() => Sandbox.Shell($"cd {service.MountPoint}; cat objects.max; ls domains");

        void Configure(int limit, string domain) => File.WriteAllText(
            file, $$"""{ "limits": { "objects.max": {{limit}} }, "domains": { "lasting": {}, "{{domain}}": {} } }""");
    }

    private static void AtEachWrite(KeptService service, Action<int> act) =>
        AtEachWrite(service, prepare: () => 0, (number, _) => act(number));

    private static void AtEachWrite<T>(KeptService service, Func<T> prepare, Action<int, T> act)
    {
        int ended = service.Ended;
        for (int number = 1; number <= Writes; number++)
        {
            T prepared = prepare();
            service.DieAtWrite(number);
            act(number, prepared);
            service.AwaitServing();
        }

        int deaths = service.Ended - ended;
        Assert.True(deaths is Writes or Writes - 1, $"{deaths} of {Writes} deaths\n{service.Describe()}");
    }

    private void Close(KeptService service, params Opener[] openers)
    {
        Array.ForEach(openers, opener => opener.Close());
        AssertTpmEmpties(service);
    }

    private void Tpmfs(KeptService service, string command) => Sandbox.Run(
        User.Root, Sandbox.Program, command, "--mount", service.MountPoint).Succeeded();
}
