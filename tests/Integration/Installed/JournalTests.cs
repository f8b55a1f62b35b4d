using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>
/// Tests the messages that reach the journal's socket, through libsystemd, when the daemon's stderr is the journal's.
/// </summary>
public sealed class JournalTests : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly DatagramSocket _journal;
    private readonly string _mountPoint;
    private readonly ChildProcess _daemon;

    public JournalTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _journal = new DatagramSocket(_sandbox.PathOf("journal"));
        _mountPoint = _sandbox.MakeFolder("mnt");
        string state = _sandbox.MakeRootsFolder("state");
        _sandbox.Shell(
            $"mount -t tmpfs none /run; mkdir -p /run/systemd/journal; touch /run/systemd/journal/socket; "
            + $"mount --bind {_journal.Path} /run/systemd/journal/socket");
        _daemon = _sandbox.Start(
            User.Root,
            [
                "sh", "-c", "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"",
                _sandbox.Program, "mount", _mountPoint, "--tpm", _tpm.Tcti, "--state-dir", state,
            ]);
    }

    public void Dispose()
    {
        _daemon.Dispose();
        _journal.Dispose();
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void A_ready_daemon_says_so_with_its_event_and_its_place_in_the_source()
    {
        IReadOnlyDictionary<string, string> entry =
            Entry("MESSAGE", $"{_mountPoint}/rm0 is ready; its TPM is {_tpm.Tcti}");
        Assert.Equal("6", entry["PRIORITY"]);
        Assert.Equal("tpmfs", entry["SYSLOG_IDENTIFIER"]);
        Assert.Matches("^[0-9a-f]{32}$", entry["MESSAGE_ID"]);
        Assert.Equal("src/TpmFs/Host/ReadyReport.cs", entry["CODE_FILE"]);
        Assert.True(int.Parse(entry["CODE_LINE"], CultureInfo.InvariantCulture) > 0);
        Assert.Equal("Say", entry["CODE_FUNC"]);
        Assert.Equal("", _daemon.Printed);
    }

    [Fact]
    public void A_denied_command_is_found_by_its_name_its_user_its_process_and_its_domain()
    {
        using Agent agent = Denied();

        IReadOnlyDictionary<string, string> entry = Entry("TPM_CC", "TPM2_Clear");

        Assert.Equal("4", entry["PRIORITY"]);
        Assert.Equal("users/0", entry["TPMFS_DOMAIN"]);
        Assert.Equal("users/0/rm0", entry["TPMFS_NODE"]);
        Assert.Equal("0", entry["TPMFS_UID"]);
        Assert.Matches("^[0-9]+$", entry["TPMFS_PID"]);
        Assert.Matches("^[0-9]+$", entry["TPMFS_OPENER"]);
        Assert.NotEmpty(entry["TPMFS_COMMAND"]);
        Assert.Equal("0x000B0143", entry["TPM_RC"]);
    }

    [Fact]
    public void Each_change_of_the_tree_is_there_with_who_what_and_its_result_also_what_was_refused()
    {
        Ready();
        _sandbox.Shell($"""
            cd {_mountPoint}
            mkdir domains/web
            echo 8 >domains/web/objects.max
            ! echo nonsense >domains/web/weight
            chmod 640 domains/web/rm0
            setfacl -m u:54321:rw domains/web/rm0
            ! mkdir users/nobody-of-this-name
            rmdir domains/web
            """);

        Change("domains/web", "mkdir", "done");
        Change("domains/web/objects.max", "'8' written", "done");
        Change("domains/web/weight", "'nonsense' written", "Invalid argument");
        Change("domains/web/rm0", "access is now 0640 0:0", "done");
        Change("domains/web/rm0", "access is now 0660 0:0 u:54321:6", "done");
        Change("users/nobody-of-this-name", "mkdir", "Invalid argument");
        IReadOnlyDictionary<string, string> removed = Change("domains/web", "rmdir", "done");
        Assert.Equal("domains/web", removed["TPMFS_DOMAIN"]);
        Assert.Equal($"process {removed["TPMFS_PID"]} (rmdir) of user 0", removed["TPMFS_BY"]);
    }

    [Fact]
    public void A_revocation_names_the_opener_and_who_ended_it()
    {
        using Agent agent = Denied();
        string id = Entry("TPM_CC", "TPM2_Clear")["TPMFS_OPENER"];
        _sandbox.Shell($"echo {id} >{_mountPoint}/users/0/revoke");

        IReadOnlyDictionary<string, string> revoked = Entry("MESSAGE_ID", "1fb4fb6550fa4088b115351e5c30861c");
        Assert.Equal(id, revoked["TPMFS_OPENER"]);
        Assert.Equal(("users/0/rm0", "users/0"), (revoked["TPMFS_NODE"], revoked["TPMFS_DOMAIN"]));
        Assert.Equal("sh", Change("users/0/revoke", $"'{id}' written", "done")["TPMFS_COMMAND"]);
    }

    [Fact]
    public void What_somebody_puts_into_a_name_or_a_value_stays_within_its_field()
    {
        Ready();
        using var client = new Agent(_sandbox);
        _sandbox.Shell($$"""
            cd {{_mountPoint}}
            ! printf 'a\nPRIORITY=0\nMESSAGE=forged\0\377b' >weight
            ! mkdir "$(printf 'domains/x\nPRIORITY=0\n\033[2J')"
            ! mkdir "$(printf 'users/x\377\376')"
            """);

        IReadOnlyDictionary<string, string> entry =
            Change("weight", @"'a\x0aPRIORITY=0\x0aMESSAGE=forged\x00ÿb' written", "Invalid argument");
        Assert.Equal("6", entry["PRIORITY"]);
        Change(@"domains/x\x0aPRIORITY=0\x0a\x1b[2J", "mkdir", "Invalid argument");
        Change("users/xÿþ", "mkdir", "Invalid argument");
        Assert.All(
            _journal.Messages, message => Assert.Single(JournalEntry.Parse(message), one => one.Name == "PRIORITY"));
    }

    /// <summary>Somebody's node, open, with a command refused.</summary>
    private Agent Denied()
    {
        Ready();
        _sandbox.Shell($"mkdir {_mountPoint}/users/0");
        var agent = new Agent(_sandbox);
        agent.Open(Path.Combine(_mountPoint, "users/0/rm0")).Transact(TreeCommands.Clear());
        return agent;
    }

    private void Ready() => Entry("CODE_FUNC", "Say");

    private IReadOnlyDictionary<string, string> Change(string node, string change, string result)
    {
        IReadOnlyDictionary<string, string>? found = null;
        Deadline.Poll(
            () => (found = Entries.FirstOrDefault(entry =>
                entry.GetValueOrDefault("TPMFS_NODE") == node && entry.GetValueOrDefault("TPMFS_CHANGE") == change
                    && entry.GetValueOrDefault("TPMFS_RESULT") == result)) is not null,
            $"{node}: {change}: {result}",
            () => string.Join("\n", Entries.Select(entry => entry["MESSAGE"])));
        Assert.Equal("0", found!["TPMFS_UID"]);
        Assert.Matches("^[0-9a-f]{32}$", found["MESSAGE_ID"]);
        return found;
    }

    private IReadOnlyDictionary<string, string> Entry(string name, string value)
    {
        IReadOnlyDictionary<string, string>? found = null;
        Deadline.Poll(
            () => (found = Entries.FirstOrDefault(entry => entry.GetValueOrDefault(name) == value)) is not null,
            $"{name}={value}",
            () => _daemon.Describe() + string.Join("\n", Entries.Select(entry => entry["MESSAGE"])));
        return found!;
    }

    private IEnumerable<IReadOnlyDictionary<string, string>> Entries =>
        _journal.Messages.Select(
            message => JournalEntry.Parse(message).ToDictionary(one => one.Name, one => one.Value));
}
