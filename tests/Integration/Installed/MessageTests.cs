using System.Text.RegularExpressions;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>
/// Tests the messages to an administrator when something is missing, in use or wrong. docs/troubleshooting.md has each
/// of these, by its words.
/// </summary>
public sealed partial class MessageTests : IDisposable
{
    /// <summary>
    /// struct fuse_in_header and the version of struct fuse_init_in (linux/fuse.h), little-endian, as x86 and arm are:
    /// what a kernel that speaks FUSE 7.30, Linux 5.3, asks first.
    /// </summary>
    private const string InitOfOldKernel =
        "68000000" + "1a000000" + "0200000000000000" + "0000000000000000" + "00000000" + "00000000" + "00000000"
            + "00000000" + "07000000" + "1e000000";

    private readonly Sandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    /// <param name="obstacle">
    /// A script that makes it go wrong, in a folder of its own with the folders mnt and state.
    /// </param>
    /// <param name="command">The way in which tpmfs is started then.</param>
    /// <param name="what">The problem.</param>
    /// <param name="todo">The remedy.</param>
    [Theory]
    [InlineData(
        "mount --bind /dev/null $(command -v swtpm)", "tpmfs mount mnt --tpm embedded --state-dir state",
        "swtpm is not on the PATH", "apt install swtpm")]
    [InlineData(
        "", "tpmfs mount mnt --tpm swtpm:path=/nowhere --state-dir state", "cannot connect to swtpm at /nowhere",
        "Is swtpm running?")]
    [InlineData(
        "", "tpmfs mount mnt --tpm tcti:nonsense --state-dir state", "the TCTI \"nonsense\" does not start",
        "Is its package installed")]
    [InlineData(
        "", "tpmfs mount mnt --tpm abacus: --state-dir state", "\"abacus:\" does not name a TPM",
        "expected")]
    [InlineData("", "tpmfs mount mnt --config empty.json --state-dir state", "which TPM?", "--tpm SPEC")]
    [InlineData("", "tpmfs mount nowhere --tpm embedded --state-dir state", "there is no such directory", "mkdir")]
    [InlineData(
        "mount -t tmpfs none mnt", "tpmfs mount mnt --tpm embedded --state-dir state", "is mounted there",
        "choose another mount point")]
    [InlineData(
        "", "tpmfs mount mnt --tpm embedded --config bad.json --state-dir state", "\"tmp\" is no key", "bad.json:1:3:")]
    [InlineData("echo '{' >bad.json", "tpmfs check-config --config bad.json", "this is not JSON", "bad.json:")]
    [InlineData(
        "mount -t tmpfs -o ro,mode=700 none state", "tpmfs mount mnt --tpm embedded --state-dir state",
        "cannot be written: Read-only file system", "Name another with --state-dir DIR")]
    [InlineData(
        "mount -t tmpfs -o size=8k,mode=700 none state; head -c 1M /dev/zero >state/file || true",
        "tpmfs mount mnt --tpm embedded --state-dir state",
        "No space left on device",
        "Make room there")]
    [InlineData(
        "mount -t tmpfs -o size=8k none /run; head -c 1M /dev/zero >/run/file || true",
        "tpmfs mount mnt --tpm embedded --state-dir state",
        "cannot be written: No space left on device",
        "Make room there")]
    [InlineData(
        "mkdir full; mount -t tmpfs -o size=8k,mode=700 none full",
        "tpmfs mount mnt --tpm embedded:full --state-dir state",
        "No space left on device",
        "Make room there")]
    [InlineData(
        "mkdir -p state/state.lock", "tpmfs mount mnt --tpm embedded --state-dir state",
        "is a directory, and not a plain file", "Put a plain file there, or remove it")]
    [InlineData(
        "", "setpriv --bounding-set -sys_admin --inh-caps -sys_admin tpmfs mount mnt --tpm embedded --state-dir state",
        "Operation not permitted", "needs CAP_SYS_ADMIN")]
    [InlineData(
        "", "setpriv --reuid 54321 --regid 54321 --clear-groups tpmfs mount --tpm embedded",
        "XDG_RUNTIME_DIR is not set", "Log in as that user")]
    [InlineData(
        "mkdir -m 1777 open; setpriv --reuid 54323 --regid 54323 --clear-groups mkdir open/a",
        "tpmfs mount mnt --tpm embedded --state-dir open/a", "belongs to user", "Remove it, or name another place")]
    [InlineData(
        "chown 54323 state", "tpmfs mount mnt --tpm embedded --state-dir state", "belongs to user", "chown -R 0")]
    [InlineData(
        "chmod 777 state", "tpmfs mount mnt --tpm embedded --state-dir state", "other users can write to",
        "chmod go-w")]
    [InlineData(
        "ln -s /dev/zero state/state.json", "tpmfs mount mnt --tpm embedded --state-dir state",
        "is a symbolic link, and not a plain file", "or remove it")]
    [InlineData(
        "ln -s /etc/hostname state/state.json.new", "tpmfs mount mnt --tpm embedded --state-dir state",
        "is a symbolic link, and not a plain file", "or remove it")]
    [InlineData(
        "mkfifo state/state.json", "timeout 10 tpmfs mount mnt --tpm embedded --state-dir state",
        "is a named pipe, and not a plain file", "or remove it")]
    [InlineData(
        "chmod 666 empty.json", "tpmfs mount mnt --tpm embedded --config empty.json --state-dir state",
        "other users can write to", "chmod go-w")]
    [InlineData(
        "mkfifo pipe.json", "timeout 10 tpmfs mount mnt --tpm embedded --config pipe.json --state-dir state",
        "is a named pipe, and not a plain file", "or remove it")]
    [InlineData(
        "mkdir -m 777 open; mkdir open/mnt", "tpmfs mount open/mnt --tpm embedded --state-dir state",
        "other users can write to", "chmod go-w")]
    [InlineData("", "tpmfs status --mount mnt", "no TPM is mounted at", "start one with 'tpmfs mount'")]
    [InlineData(
        "mkdir dev; mount -t tmpfs none dev; for name in null urandom random zero tty; do cp -a /dev/$name dev/; "
            + "done; mount --move dev /dev",
        "tpmfs mount mnt --tpm embedded --state-dir state",
        "'/dev/fuse' is missing",
        "modprobe fuse")]
    [InlineData(
        "",
        $"strace -fq -o trace -P /dev/fuse -e trace=read -e inject=read:poke_exit=@arg2={InitOfOldKernel}:when=1 "
            + "tpmfs mount mnt --tpm embedded --state-dir state",
        "the kernel's FUSE protocol is too old",
        "needs Linux 5.4 or newer")]
    [InlineData(
        "echo '{ \"rm0\": { \"group\": \"nobodys\" } }' >bad.json",
        "tpmfs mount mnt --tpm embedded --config bad.json --state-dir state",
        "there is no group 'nobodys'",
        "groupadd --system nobodys")]
    public void What_keeps_it_from_starting_is_named_with_what_to_do(
        string obstacle, string command, string what, string todo)
    {
        Outcome outcome = Run(obstacle, command);
        Assert.NotEqual(0, outcome.ExitCode);
        AssertSays(outcome.Error, what, todo);
        Assert.Empty(_sandbox.FuseMounts);
    }

    [Theory]
    [InlineData(
        "", "tpmfs mount mnt --tpm device:/dev/tpm77 --state-dir state", "there is no /dev/tpm77",
        "is its driver loaded?")]
    [InlineData(
        "sed /^tss:/d /etc/group >group; mount --bind group /etc/group",
        "tpmfs mount mnt --tpm embedded --state-dir state", "there is no group tss", "groupadd --system tss")]
    public void What_keeps_it_from_serving_some_is_logged_with_what_to_do(
        string obstacle, string command, string what, string todo)
    {
        Outcome outcome = Run(obstacle, "timeout --signal=TERM 5 " + command);
        AssertSays(outcome.Error, what, todo);
    }

    [Fact]
    public void A_disk_that_is_full_later_is_logged_and_changes_hold()
    {
        using var tpm = new SoftwareTpm(_sandbox, "tpm");
        string mountPoint = _sandbox.MakeFolder("mnt");
        string state = Daemon.StateFolder(_sandbox, mountPoint);
        _sandbox.Shell($"mount -t tmpfs -o size=8k,mode=700 none {state}");
        using var daemon = new Daemon(_sandbox, tpm.Tcti, mountPoint);
        _sandbox.Shell($"head -c 1M /dev/zero >{state}/file || true; echo 8 >{mountPoint}/objects.max");
        Deadline.Poll(
            () => daemon.Printed.Contains("cannot be written", StringComparison.Ordinal), "word of the full disk",
            daemon.Describe);
        AssertSays(daemon.Printed, "No space left on device", "tries again every 5 s");
        Assert.Equal("8\n", _sandbox.Shell($"cat {mountPoint}/objects.max"));
        _sandbox.Shell($"rm {state}/file");
        Deadline.Poll(
            () => daemon.Printed.Contains("could be written again", StringComparison.Ordinal),
            "word of the disk's room", daemon.Describe);
        daemon.Stop();
    }

    [Fact]
    public void A_second_daemon_for_a_mount_point_or_for_a_state_is_told_of_the_first()
    {
        string mountPoint = _sandbox.MakeFolder("mnt");
        using var daemon = new Daemon(_sandbox, "embedded", mountPoint);
        AssertSays(
            Run("", $"tpmfs mount {mountPoint} --tpm embedded --state-dir state").Error, "another tpmfs serves",
            "name another mount point");
        string state = Daemon.StateFolder(_sandbox, mountPoint);
        AssertSays(
            Run("", $"tpmfs mount mnt --tpm embedded --state-dir {state}").Error,
            "another tpmfs uses the state directory", "choose another directory");
        daemon.Stop();
    }

    [Fact]
    public void A_state_is_one_daemons_at_a_time_whatever_its_tpm_is()
    {
        using var tpm = new SoftwareTpm(_sandbox, "tpm");
        using var other = new SoftwareTpm(_sandbox, "other");
        string mountPoint = _sandbox.MakeFolder("mnt");
        using var daemon = new Daemon(_sandbox, tpm.Tcti, mountPoint);
        string state = Daemon.StateFolder(_sandbox, mountPoint);
        AssertSays(
            Run("", $"tpmfs mount mnt --tpm {other.Tcti} --state-dir {state}").Error,
            "another tpmfs uses the state directory", state);
        AssertSays(
            Run("", $"tpmfs reset --state-dir {state}").Error, "another tpmfs uses the state directory", "--mount DIR");
        daemon.Stop();
    }

    [Fact]
    public void A_reset_of_a_state_directory_alone_leaves_the_mounted_daemon_as_it_is()
    {
        using var tpm = new SoftwareTpm(_sandbox, "tpm");
        string folder = _sandbox.MakeRootsFolder("run");
        _sandbox.Shell($"mount --bind {folder} /run; mkdir /run/tpmfs");
        using var daemon = new Daemon(_sandbox, tpm.Tcti, "/run/tpmfs");
        _sandbox.Shell("echo 8 >/run/tpmfs/objects.max");
        string kept = """{ "version": 1, "made": ["domains/web"], "access": {}, "limits": {} }""";
        Assert.Equal("", Run($"echo '{kept}' >state/state.json", "tpmfs reset --state-dir state").Succeeded().Error);
        Assert.Equal("8\n", _sandbox.Shell("cat /run/tpmfs/objects.max"));
        Assert.DoesNotContain(
            "domains/web", _sandbox.Shell($"cat {_sandbox.Folder}/tmp.*/state/state.json"), StringComparison.Ordinal);
        Assert.Equal(1, Run("", "tpmfs reset --state-dir nowhere").ExitCode);
        Run("", "tpmfs reset").Succeeded();
        Assert.Equal("64\n", _sandbox.Shell("cat /run/tpmfs/objects.max"));
        daemon.Stop();
    }

    private Outcome Run(string obstacle, string command) => _sandbox.Run(
        User.Root,
        "unshare", "--mount", "sh", "-euc",
        $$"""
        PATH={{Path.GetDirectoryName(_sandbox.Program)}}:$PATH
        cd $(mktemp -d --tmpdir={{_sandbox.Folder}})
        chmod 755 .
        mkdir mnt state
        echo '{}' >empty.json
        echo '{ "tmp": 1 }' >bad.json
        {{obstacle}}
        unset XDG_RUNTIME_DIR
        exec {{command}}
        """);

    private static void AssertSays(string said, string what, string todo)
    {
        Assert.Contains(what, said, StringComparison.Ordinal);
        Assert.Contains(todo, said, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);
        string page = File.ReadAllText(Path.Combine(Repository, "docs", "troubleshooting.md"));
        Assert.Contains(Variable().Replace(what, "…"), page, StringComparison.Ordinal);
    }

    /// <summary>Matches the parts that differ from one message to the next: names in quotes, and paths.</summary>
    [GeneratedRegex("""'(?!/dev/fuse)[^']*'|"[^"]*"|(?<=\s)/\S+""")]
    private static partial Regex Variable();

    private static string Repository { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string folder) => File.Exists(Path.Combine(folder, "TpmFs.sln")) ? folder
        : Find(
            Path.GetDirectoryName(folder)
                ?? throw new DirectoryNotFoundException("the tests are not run from their repository"));
}
