using System.Globalization;
using System.Text;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// Tests that an administrator's changes are there after a restart, and that a state file that cannot be read lets no
/// user in beyond the configuration.
/// </summary>
public sealed class SurvivalTests : IDisposable
{
    private const string Uid = "54350";

    /// <summary>The number of times that the daemon is killed: TPMFS_TEST_KILLS, or 4.</summary>
    private static readonly int s_kills =
        int.Parse(Environment.GetEnvironmentVariable("TPMFS_TEST_KILLS") ?? "4", CultureInfo.InvariantCulture);

    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly string _tree;
    private readonly string _state;

    public SurvivalTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _tree = _sandbox.MakeFolder("mnt");
        _state = Daemon.StateFolder(_sandbox, _tree);
    }

    private string StateFile => Path.Combine(_state, "state.json");

    /// <summary>Modes, owners and ACLs of everything, and what the limits say.</summary>
    private string Everything => Shell("""
        find . ! -path ./self -printf '%p %M %U:%G\n' | sort
        getfacl -pnR . | grep -v '^# file: ./self'
        for limit in $(find . -name '*.max' -o -name weight -o -name commands.deny | sort); do
            echo "$limit: $(cat $limit)"; done
        """);

    public void Dispose()
    {
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void What_was_changed_is_there_after_a_restart()
    {
        string before, after;
        using (Daemon first = Start())
        {
            Change();
            before = Everything;
            first.Stop();
        }

        using (Daemon second = Start())
        {
            after = Everything;
            Assert.Equal(before, after);
            Assert.Contains("./domains/web/objects.max: 7\n", after, StringComparison.Ordinal);
            using var agent = new Agent(_sandbox, new User(uint.Parse(Uid, CultureInfo.InvariantCulture)));
            agent.Call("use", $"{_tree}/rm0").Data.Succeeded();
            Shell("rmdir domains/web users/*; setfacl -b rm0; chmod 660 rm0; echo 4096 >openers.max");
            second.Stop();
        }

        using Daemon third = Start();
        Assert.Equal("", Shell("ls domains; ls users"));
        Assert.Equal("4096\n", Shell("cat openers.max"));
        third.Stop();
    }

    [Fact]
    public void What_was_changed_is_there_after_the_daemon_was_killed()
    {
        string before;
        using (Daemon first = Start())
        {
            Change();
            Shell("echo 54351 >sessions.saved.max");
            before = Everything;

            // Changes may reach the disk a little later: no request waits for a disk. What came last is there when all
            // is.
            Deadline.Poll(
                () => File.Exists(StateFile) && File.ReadAllText(StateFile).Contains("54351", StringComparison.Ordinal),
                "the state on disk");
            first.Send(Signals.Kill);
            first.Wait();
        }

        using Daemon second = Start();
        Assert.Equal(before, Everything);
        second.Stop();
    }

    [Fact]
    public void Reset_drops_one_path_or_all()
    {
        string fresh;
        using (Daemon first = Start())
        {
            fresh = Everything;
            Change();
            Reset($"{_tree}/rm0");
            Assert.Equal($"660 0:{Requirements.Group("tss")}\n", Shell("stat -c '%a %u:%g' rm0"));
            Assert.DoesNotContain(Uid, Shell("getfacl -n rm0"), StringComparison.Ordinal);
            Assert.Equal("7\n", Shell("cat domains/web/objects.max"));
            first.Stop();
        }

        using (Daemon second = Start())
        {
            Assert.Equal($"660 0:{Requirements.Group("tss")}\n", Shell("stat -c '%a %u:%g' rm0"));
            Assert.Equal("7\n", Shell("cat domains/web/objects.max"));
            Reset();
            Assert.Equal(fresh, Everything);
            second.Stop();
        }

        using Daemon third = Start();
        Assert.Equal(fresh, Everything);
        third.Stop();
    }

    [Fact]
    public void Reset_works_without_a_daemon_too()
    {
        string fresh;
        using (Daemon first = Start())
        {
            fresh = Everything;
            Change();
            first.Stop();
        }

        Reset("--state-dir", _state);
        using Daemon second = Start();
        Assert.Equal(fresh, Everything);
        second.Stop();
    }

    [Theory]
    [InlineData("empty")]
    [InlineData("cut")]
    [InlineData("garbage")]
    [InlineData("zeroes")]
    public void A_damaged_state_is_set_aside_and_nothing_is_wider_than_configured(string damage)
    {
        string fresh;
        using (Daemon first = Start())
        {
            fresh = Everything;
            Change();
            Shell("chmod 666 rm0; chmod 777 domains; chmod 666 raw0");
            first.Stop();
        }

        byte[] whole = File.ReadAllBytes(StateFile);
        byte[] damaged = damage switch
        {
            "empty" => [],
            "cut" => whole[..(whole.Length / 2)],
            "garbage" => [.. Encoding.ASCII.GetBytes("\u007b garbage"), .. whole],
            _ => new byte[whole.Length],
        };
        File.WriteAllBytes(StateFile, damaged);

        using Daemon second = Start();
        Assert.Equal(fresh, Everything);
        second.AwaitPrinted(StateFile);
        Assert.Contains(
            Directory.GetFiles(_state, "state.json?*"),
            other => other != StateFile && File.ReadAllBytes(other).AsSpan().SequenceEqual(damaged));
        Change();
        second.Stop();
    }

    [Fact]
    public void A_state_that_cannot_be_written_is_said_and_the_daemon_goes_on()
    {
        using Daemon daemon = Start();

        // Root is not held by permissions: a full filesystem over the folder's files is.
        Shell($"mount -t tmpfs -o size=4k,nr_inodes=1,mode=700 none {_state}");
        Change();
        Assert.Equal("7\n", Shell("cat domains/web/objects.max"));
        Deadline.Poll(
            () => daemon.Printed.Contains(_state, StringComparison.Ordinal), "word of the state that cannot be kept",
            daemon.Describe);
        Shell($"umount {_state}");
        daemon.Stop();
    }

    [Fact]
    public void A_daemon_that_is_killed_while_much_changes_leaves_a_state_that_can_be_read()
    {
        var random = new Random(4);
        using (Daemon first = Start())
        {
            Shell("mkdir domains/kept; echo 0 >domains/kept/objects.max");
            first.Stop();
        }

        int value = 0;
        for (int round = 0; round < s_kills; round++)
        {
            using Daemon daemon = Start();
            Assert.DoesNotContain("damaged", daemon.Printed, StringComparison.Ordinal);
            int found = int.Parse(Shell("cat domains/kept/objects.max"), CultureInfo.InvariantCulture);
            Assert.InRange(found, 0, value);
            ChildProcess[] clients = [.. Enumerable.Range(0, 3)
                .Select(i => Client("churn.py", _tree, "1000000", $"{round}-{i}"))];
            using ChildProcess counter = Client("count.py", $"{_tree}/domains/kept/objects.max", $"{found + 1}");
            Deadline.Poll(() => counter.Printed.Length > 0 || counter.HasExited, "a change", counter.Describe);
            Thread.Sleep(random.Next(400)); // the moment is to be any
            daemon.Send(Signals.Kill);
            daemon.Wait();
            counter.Wait(Deadline.Step);
            value = int.Parse(
                counter.Printed.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], CultureInfo.InvariantCulture)
                + 1;
            Array.ForEach(clients, client => client.Dispose());
        }

        using Daemon last = Start();
        Assert.DoesNotContain("damaged", last.Printed, StringComparison.Ordinal);
        Assert.InRange(int.Parse(Shell("cat domains/kept/objects.max"), CultureInfo.InvariantCulture), 0, value);
        Shell("rmdir domains/*");
        last.Stop();
    }

    private Daemon Start() => new(_sandbox, _tpm.Tcti, _tree);

    /// <summary>A change of each kind.</summary>
    private void Change() => Shell($"""
        mkdir domains/web users/{Uid}
        setfacl -m u:{Uid}:rw rm0
        chown {Uid}:{Uid} domains/web domains/web/rm0
        chmod 710 domains/web
        chmod 640 locality/1/rm0
        chgrp {Uid} locality/1
        setfacl -m u:{Uid}:x locality/1
        echo 7 >domains/web/objects.max
        echo max >domains/web/sessions.max
        echo 250 >users/{Uid}/weight
        echo +TPM2_NV_Write >domains/web/commands.deny
        echo 99 >openers.max
        echo 12 >objects.max
        """);

    private void Reset(params string[] arguments) =>
        _sandbox.Run(User.Root, [_sandbox.Program, "reset", "--mount", _tree, .. arguments]).Succeeded();

    private ChildProcess Client(string script, params string[] arguments) =>
        _sandbox.Start(
            User.Root, ["/usr/bin/python3", Path.Combine(_sandbox.Scripts, "clients", script), .. arguments]);

    private string Shell(string script) => _sandbox.Shell($"cd {_tree}\n{script}");
}
