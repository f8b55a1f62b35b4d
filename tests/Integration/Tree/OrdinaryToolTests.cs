using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// Programs that know nothing of TPMs, on every file there is: none hangs, none costs anybody a command.
/// </summary>
public sealed class OrdinaryToolTests : TreeTests
{
    private static readonly string[] s_neverSaid =
    [
        "Function not implemented", "Input/output error", "Transport endpoint", "timed out", "Bad address",
        "Unknown error",
    ];


    private readonly string _domain;
    private readonly Opener _opener;
    private readonly TpmHold _hold;
    private bool _answered;

    /// <summary>All that follows is done while a command is in the TPM, whose response must still come.</summary>
    public OrdinaryToolTests(Mount mount, ITestOutputHelper output)
        : base(mount, output)
    {
        _domain = NewDomain();
        NewUser();
        _opener = OpenAt($"{_domain}/rm0");
        _hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        _opener.Submit(Tpm2.ReadClock());
        _hold.WaitUntilHeld();
    }

    [Theory]
    [InlineData("ls -laR .", 0)]
    [InlineData("find . -ls", 0)]
    [InlineData("find . -type f -exec stat {} +", 0)]
    [InlineData("du -a .", 0)]
    [InlineData("df .", 0)]
    [InlineData("cp -r . \"$OUT/copy\"", null)]
    [InlineData("cp -a . \"$OUT/copy\"", null)]
    [InlineData("tar cf \"$OUT/tar\" .", null)]
    [InlineData("tar c . | cat >\"$OUT/tar\"", null)]
    [InlineData("grep -r something .", null)]
    [InlineData("find . -type f -exec cat {} + >\"$OUT/cat\"", null)]
    [InlineData("find . -type f -exec head -c 1 {} ';' >\"$OUT/head\"", null)]
    [InlineData("find . -type f -exec wc {} +", null)]
    [InlineData("find . -type f -exec dd if={} of=/dev/null status=none ';'", null)]
    [InlineData("find . -type f -exec md5sum {} +", null)]
    [InlineData("for file in $(find . -type f); do : <$file; done", null)]
    public void A_tool_that_reads_ends_with_clear_words(string script, int? exitCode)
    {
        Outcome outcome = Run(script, User.Root);
        Assert.True(outcome.ExitCode == (exitCode ?? outcome.ExitCode), outcome.Error);
        Run(script, User.Outsider);
    }

    [Theory]
    [InlineData(": >", 0)]
    [InlineData(": >>", 0)]
    [InlineData("touch", 0)]
    [InlineData("truncate -s 0", 0)]
    [InlineData("cp /dev/null", 0)]
    [InlineData("echo nonsense >", 1)]
    [InlineData("dd if=/dev/zero bs=1k count=1 status=none of=", 1)]
    public void A_tool_that_writes_nonsense_to_a_node_is_told_so(string command, int exitCode)
    {
        foreach (string node in (string[])["rm0", "locality/2/rm0", $"{_domain}/rm0"])
        {
            string script = command.EndsWith('=') ? $"{command}{At(node)}" : $"{command} {At(node)}";
            Outcome outcome = Run(script, User.Root);
            Assert.True(outcome.ExitCode == exitCode, $"{script}: exit code {outcome.ExitCode}: {outcome.Error}");
            Assert.Equal(exitCode != 0, outcome.Error.Contains("Invalid argument", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Reads_of_every_sort_of_every_file_come_back()
    {
        Outcome outcome =
            Run($"exec /usr/bin/python3 {Path.Combine(Mount.Sandbox.Scripts, "clients", "reads.py")} .", User.Root);
        Assert.True(outcome.ExitCode == 0, outcome.Output + outcome.Error);
    }

    [Fact]
    public void Removing_all_of_a_domain_as_if_it_were_a_directory_removes_nothing()
    {
        string[] before = List(_domain);
        Assert.Equal(1, Run($"rm -rf {_domain}", User.Root).ExitCode);
        Assert.Equal(before, List(_domain));
        Assert.Equal(1, Run($"mv {_domain} {At("domains/other")}", User.Root).ExitCode);
        Assert.NotEqual(0, Run($"chmod -R 777 {_domain}", User.Root).ExitCode);
        Assert.Equal("644", Mount.Sandbox.Shell($"stat -c %a {_domain}/objects.max").Trim());
    }

    private Outcome Run(string script, User user)
    {
        string folder = Mount.Sandbox.MakeFolder($"out{NewNumber()}");
        using ChildProcess process = Mount.Sandbox.Start(
            user,
            ["timeout", "--kill-after=1", "20", "bash", "-c", script],
            new Dictionary<string, string> { ["LC_ALL"] = "C", ["OUT"] = folder },
            Mount.Daemon.MountPoint);
        process.Input.Close();
        Outcome outcome = process.Wait();
        Assert.False(outcome.ExitCode is 124 or 137, $"'{script}' hangs\n{outcome.Output}\n{outcome.Error}");
        Assert.DoesNotContain("command not found", outcome.Error, StringComparison.Ordinal);
        Assert.All(s_neverSaid, words => Assert.DoesNotContain(words, outcome.Error, StringComparison.Ordinal));

        // The command that was in the TPM all the time has lost nothing.
        if (!_answered)
        {
            _hold.Release();
            _opener.Read().Data.Succeeded();
            _answered = true;
        }

        _opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        return outcome;
    }
}
