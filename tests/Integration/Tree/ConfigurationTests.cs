using System.Globalization;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// Tests that an administrator's configuration holds from the start, can be checked beforehand, and is read again on
/// SIGHUP.
/// </summary>
public sealed class ConfigurationTests : IDisposable
{
    private const int Hangup = 1;

    private const string Good = """
        {
          // granted, and made
          "users": { "54360": {}, "54361": { "objects.max": 3, "weight": 200 } },
          "domains": {
            "web": { "mode": "0750", "owner": "54362", "objects.max": 5, "commands.deny": ["@all"] },
            "plain": {}
          },
          "defaults": { "sessions.max": 9 },
          "limits": { "objects.max": 33, "commands.deny": ["TPM2_Clear"] },
        }
        """;

    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly string _tree;
    private readonly string _file;

    public ConfigurationTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _tree = _sandbox.MakeFolder("mnt");
        _file = _sandbox.PathOf("tpmfs.json");
        File.WriteAllText(_file, Good);
    }

    public void Dispose()
    {
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void Users_domains_and_limits_are_there_as_configured()
    {
        using Daemon daemon = Start();
        Assert.Equal("54360\n54361\n", Shell("ls users"));
        Assert.Equal("plain\nweb\n", Shell("ls domains"));
        Assert.Equal("550 54362\n750 0\n", Shell("stat -c '%a %u' domains/web domains/plain"));
        Assert.Equal("3\n200\n9\n", Shell("cd users/54361; cat objects.max weight sessions.max"));
        Assert.Equal("64\n100\n9\n", Shell("cd users/54360; cat objects.max weight sessions.max"));
        Assert.Equal("5\n@all\n", Shell("cd domains/web; cat objects.max commands.deny"));
        Assert.Equal("33\n16\nTPM2_Clear\n", Shell("cat objects.max sessions.max commands.deny"));
        using var granted = new Agent(_sandbox, new User(54_360));
        granted.Call("use", $"{_tree}/self/rm0").Data.Succeeded();
        using var owner = new Agent(_sandbox, new User(54_362));
        Assert.Equal(0x000B_0143u, owner.Call("use", $"{_tree}/domains/web/rm0").Data.Code());
        daemon.Stop();
    }

    [Fact]
    public void A_grant_by_name_or_group_is_resolved_by_the_group_database()
    {
        _sandbox.Shell($"""
            cd {_sandbox.Folder}
            (cat /etc/passwd; echo alice:x:54363:54363::/:/bin/sh; echo bob:x:54364:54364::/:/bin/sh;
                echo carol:x:54365:54399::/:/bin/sh) >passwd
            (cat /etc/group; echo users54:x:54399:bob) >group
            chmod 644 passwd group
            mount --bind passwd /etc/passwd
            mount --bind group /etc/group
            """);
        File.WriteAllText(_file, """{ "users": { "alice": {}, "@users54": { "objects.max": 4 } } }""");
        using Daemon daemon = Start();
        foreach ((uint uid, string objects) in (IEnumerable<(uint, string)>)[(54_363, "64\n"), (54_364, "4\n"),
            (54_365, "4\n")])
        {
            using var agent = new Agent(_sandbox, new User(uid));
            Deadline.Poll(
                () => agent.Call("use", $"{_tree}/self/rm0").Errno is null, $"{uid} is granted", daemon.Describe);
            Assert.Equal(objects, Shell(string.Create(CultureInfo.InvariantCulture, $"cat users/{uid}/objects.max")));
        }

        using var outsider = new Agent(_sandbox, User.Outsider);
        Assert.Equal("ENOENT", outsider.Call("use", $"{_tree}/self/rm0").Errno);
        daemon.Stop();
    }

    [Fact]
    public void A_change_at_run_time_goes_before_the_file_and_reset_gives_the_file_back()
    {
        using (Daemon first = Start())
        {
            Shell("echo 6 >domains/web/objects.max; chmod 700 domains/web");
            first.Stop();
        }

        using Daemon second = Start();
        Assert.Equal("6\n500\n", Shell("cat domains/web/objects.max; stat -c %a domains/web"));
        _sandbox.Run(User.Root, _sandbox.Program, "reset", "--mount", _tree).Succeeded();
        Assert.Equal("5\n550\n", Shell("cat domains/web/objects.max; stat -c %a domains/web"));
        second.Stop();
    }

    [Fact]
    public void Sighup_reads_the_file_again_and_openers_go_on()
    {
        using Daemon daemon = Start();
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open($"{_tree}/domains/plain/rm0");
        uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Opener revoked = agent.Open($"{_tree}/users/54360/rm0");
        File.WriteAllText(_file, Good.Replace("33", "34", StringComparison.Ordinal)
            .Replace("\"54360\": {}", "\"54366\": {}", StringComparison.Ordinal)
            .Replace("\"plain\": {}", "\"plain\": { \"objects.max\": 1 }, \"more\": {}", StringComparison.Ordinal));
        daemon.Send(Hangup);
        Deadline.Poll(() => Shell("cat objects.max") == "34\n", "the new limit", daemon.Describe);
        Deadline.Poll(() => Directories() == "more\nplain\nweb\n54361\n54366\n", "the new directories", Directories);
        opener.Transact(Tpm2.ReadPublic(key)).Succeeded();
        Assert.Equal(0x000B_0902u, opener.Transact(Tpm2.CreatePrimary()).Code());
        Assert.Equal("ENODEV", revoked.Write(Tpm2.GetRandom(8)).Errno);
        daemon.Stop();

        string Directories() => Shell("ls domains; ls users");
    }

    [Theory]
    [InlineData("{ \"limits\": { \"objects.max\": 34 }, ")]
    [InlineData("{ \"limits\": { \"objects.max\": -1 } }")]
    [InlineData("{ \"limits\": { \"objects.max\": 34 }, \"domain\": {} }")]
    [InlineData("")]
    public void A_bad_file_on_sighup_changes_nothing_and_is_said(string text)
    {
        using Daemon daemon = Start();
        string before = Shell("find . | sort; cat *.max users/*/*.max domains/*/*.max commands.deny");
        File.WriteAllText(_file, text);
        int printed = daemon.Printed.Length;
        daemon.Send(Hangup);
        Deadline.Poll(
            () => daemon.Printed[printed..].Contains($"{_file}:", StringComparison.Ordinal) || daemon.HasExited,
            "word of the bad file", daemon.Describe);
        Assert.Equal(before, Shell("find . | sort; cat *.max users/*/*.max domains/*/*.max commands.deny"));
        File.WriteAllText(_file, Good.Replace("33", "35", StringComparison.Ordinal));
        daemon.Send(Hangup);
        Deadline.Poll(() => Shell("cat objects.max") == "35\n", "the new limit", daemon.Describe);
        daemon.Stop();
    }

    [Fact]
    public void Check_config_is_silent_about_a_good_file_and_starts_nothing()
    {
        Outcome outcome = Check();
        Assert.Equal(0, outcome.ExitCode);
        Assert.Empty(outcome.Error);
        Assert.Empty(_sandbox.FuseMounts);
    }

    [Theory]
    [InlineData("{\n  \"domains\": { \"a b\": {} } }", ":2:")]
    [InlineData("{\n  \"domains\": { \"..\": {} } }", ":2:")]
    [InlineData("{\n  \"limits\": { \"weight\": 0 } }", ":2:")]
    [InlineData("{\n  \"limits\": { \"weight\": \"max\" } }", ":2:")]
    [InlineData("{\n  \"limits\": {\n \"objects.max\": \"many\" } }", ":3:")]
    [InlineData("{\n  \"limits\": {\n \"commands.deny\": [\"@nonsense\"] } }", ":3:")]
    [InlineData("{\n  \"limits\": { \"objects.max\": 1, \"objects.max\": 2 } }", ":2:")]
    [InlineData("{\n  \"users\": { \"54360\": { \"mode\": \"0777\" } } }", ":2:")]
    [InlineData("{\n  \"users\": [] }", ":2:")]
    [InlineData("{\n  \"nonsense\": 1 }", ":2:")]
    [InlineData("{\n  \"limits\" }", ":2:")]
    public void Check_config_says_where_a_file_is_wrong(string text, string place)
    {
        File.WriteAllText(_file, text);
        Outcome outcome = Check();
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains(_file + place, outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", outcome.Error, StringComparison.Ordinal);
        using ChildProcess mount = Daemon.Start(_sandbox, _tpm.Tcti, _tree, "--config", _file);
        Outcome refused = mount.Wait(Deadline.Step);
        Assert.Equal((1, true), (refused.ExitCode, refused.Error.Contains(_file + place, StringComparison.Ordinal)));
    }

    private Outcome Check() => _sandbox.Run(User.Root, _sandbox.Program, "check-config", "--config", _file);

    private Daemon Start() => new(_sandbox, _tpm.Tcti, _tree, "--config", _file);

    private string Shell(string script) => _sandbox.Shell($"cd {_tree}\n{script}");
}
