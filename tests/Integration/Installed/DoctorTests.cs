using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>'tpmfs doctor' beside a daemon that serves: it finds what is wrong, and says so and what to do.</summary>
public sealed class DoctorTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const uint Lockout = 0x4000_000A;

    [Fact]
    public void Nothing_is_wrong_where_root_and_a_member_can_use_the_TPM()
    {
        Assert.All(new[] { User.Root, User.Member }, user =>
        {
            Outcome ended = Doctor(user).Succeeded();
            Assert.Equal("", ended.Error);
            Assert.DoesNotContain("WRONG", ended.Output, StringComparison.Ordinal);
            Assert.Matches(@"(?m)^ok     mount +a daemon serves ", ended.Output);
            Assert.Matches(@"(?m)^ok     TPM 0 +you may use .*/rm0$", ended.Output);
            Assert.Matches(@"(?m)^ok     TPM 0 +it answers$", ended.Output);
        });
    }

    [Fact]
    public void A_user_without_the_group_is_told_of_it_and_one_with_a_directory_uses_that()
    {
        Finds(
            User.Outsider, "TPM 0", "you may not use .*/rm0: Permission denied", "usermod --append --groups tss USER");
        (User user, string _) = NewUser();
        Assert.Contains("/self/rm0", Doctor(user).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_TPM_that_is_locked_out_is_found_with_how_it_is_unlocked()
    {
        Opener opener = Open();
        opener.Transact(DictionaryAttackParameters(tries: 0)).Succeeded();
        try
        {
            Finds(User.Root, "TPM 0", "it is locked out", "tpm2_dictionarylockout --clear-lockout");
        }
        finally
        {
            opener.Transact(DictionaryAttackParameters(tries: 32)).Succeeded();
        }

        Doctor(User.Root).Succeeded();
    }

    [Fact]
    public void A_hierarchy_that_is_switched_off_is_found()
    {
        OnRaw(TreeCommands.SwitchOff(Tpm2.Owner));
        try
        {
            Finds(User.Root, "TPM 0", "the owner hierarchy is switched off", "restart the machine");
        }
        finally
        {
            OnRaw(TreeCommands.SwitchOn(Tpm2.Owner));
        }
    }

    [Fact]
    public void A_process_that_has_a_raw_node_is_named()
    {
        Opener raw = OpenAt(At("raw0"));
        string printed = Doctor(User.Root).Output;
        Assert.Matches($@"(?m)^note   raw +process {raw.Agent.Id} \(python3\) of user 0 has raw0 open", printed);
        raw.Close();
    }

    [Fact]
    public void A_TPM_that_is_busy_with_a_long_command_is_not_waited_for_without_end()
    {
        Mount.Proxy.Hold(TpmCc.CreatePrimary);
        Opener busy = Open();
        busy.Submit(Tpm2.CreatePrimary());
        Finds(User.Root, "TPM 0", "it answers no command: no response came within 10 s", "tpmfs openers");
        Mount.Proxy.ReleaseAll();
        busy.Read().Data.Succeeded();
    }

    [Fact]
    public void A_daemon_that_was_told_of_a_sleep_is_found_with_how_commands_go_on()
    {
        Tpmfs("suspend").Succeeded();
        try
        {
            Finds(User.Member, "power", "commands are put off until the resume, with 0x922", "tpmfs resume");
            Assert.Contains("SUSPENDED", Tpmfs("status").Succeeded().Output, StringComparison.Ordinal);
            Assert.StartsWith("power      SUSPENDED", Top(), StringComparison.Ordinal);
        }
        finally
        {
            Tpmfs("resume").Succeeded();
        }

        Assert.StartsWith("domain ", Top(), StringComparison.Ordinal);
        Doctor(User.Root).Succeeded();
    }

    [Fact]
    public void A_mistake_in_the_configuration_is_found_with_its_place()
    {
        string file = Path.Combine(Mount.Sandbox.MakeRootsFolder("wrong"), "tpmfs.json");
        File.WriteAllText(file, "{\n  \"tmp\": 1\n}");
        Finds(User.Root, "configuration", $"{file}:2:3: \"tmp\" is no key", "correct the file", "--config", file);
    }

    [Fact]
    public void A_missing_swtpm_is_found_where_the_configuration_needs_it()
    {
        string file = Path.Combine(Mount.Sandbox.MakeRootsFolder("embedded"), "tpmfs.json");
        File.WriteAllText(file, "{ \"tpm\": \"embedded\" }");
        Outcome ended = Mount.Sandbox.Run(
            User.Root, "env", "PATH=/nowhere", Mount.Sandbox.Program, "doctor", "--config", file,
            "--mount", Mount.Daemon.MountPoint);
        Assert.Equal(1, ended.ExitCode);
        Assert.Matches("(?m)^WRONG  swtpm .*Do: apt install swtpm$", ended.Output);
    }

    private static byte[] DictionaryAttackParameters(uint tries) =>
        new TpmCommandBuilder(TpmCc.DictionaryAttackParameters).Handle(Lockout).Password()
            .U32(tries).U32(1000).U32(1000).Build();

    private void OnRaw(byte[] command)
    {
        Opener raw = OpenAt(At("raw0"));
        raw.Transact(command).Succeeded();
        raw.Close();
    }

    private Outcome Tpmfs(string command) => Mount.Sandbox.Run(
        User.Root, [Mount.Sandbox.Program, command, "--mount", Mount.Daemon.MountPoint]);

    /// <summary>Returns what 'tpmfs top' prints until it is told to stop, once it has printed a line.</summary>
    private string Top()
    {
        using ChildProcess top = Mount.Sandbox.Start(
            User.Root, [Mount.Sandbox.Program, "top", "--mount", Mount.Daemon.MountPoint]);
        Deadline.Poll(() => top.Printed.Length > 0 || top.HasExited, "a line of top", top.Describe);
        top.Send(Signals.Int);
        return top.Wait().Output;
    }

    private Outcome Doctor(User user, params string[] more) => Mount.Sandbox.Run(
        user, [Mount.Sandbox.Program, "doctor", "--mount", Mount.Daemon.MountPoint, .. more]);

    /// <summary>Holds that one line says what is wrong and what to do.</summary>
    private void Finds(User user, string subject, string wrong, string advice, params string[] more)
    {
        Outcome ended = Doctor(user, more);
        Assert.Equal((1, ""), (ended.ExitCode, ended.Error));
        Assert.Matches($"(?m)^WRONG  {subject} +{wrong}.* Do: .*{advice}", ended.Output);
    }
}
