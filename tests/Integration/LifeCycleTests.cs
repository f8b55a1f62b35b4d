using System.Globalization;
using System.Text;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests;

/// <summary>Start and end of the daemon, in order and otherwise.</summary>
public sealed class LifeCycleTests : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly string _mountPoint;

    public LifeCycleTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _mountPoint = _sandbox.MakeFolder("mnt");
    }

    public void Dispose()
    {
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Theory]
    [InlineData(Signals.Term)]
    [InlineData(Signals.Int)]
    public void A_signal_unmounts_and_exits_with_0(int signal)
    {
        using Daemon daemon = Start();
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        opener.Close();
        daemon.Stop(signal);
        using TpmConnection tpm = _tpm.Connect();
        Assert.True(TpmContents.Of(tpm).IsEmpty, TpmContents.Of(tpm).ToString());
    }

    [Fact]
    public void A_signal_ends_the_daemon_though_an_opener_is_there_and_holds_objects()
    {
        using Daemon daemon = Start();
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        daemon.Stop();
        Assert.NotNull(opener.Write(Tpm2.GetRandom(8)).Errno);
        using TpmConnection tpm = _tpm.Connect();
        Assert.True(TpmContents.Of(tpm).IsEmpty, TpmContents.Of(tpm).ToString());
    }

    [Fact]
    public void It_says_when_it_is_ready_and_where()
    {
        using Daemon daemon = Start();
        Deadline.Poll(
            () => daemon.Printed.Contains($"{_mountPoint}/rm0 is ready", StringComparison.Ordinal), "word of the mount",
            daemon.Describe);
        daemon.Stop();
    }

    [Fact]
    public void On_a_terminal_it_says_what_to_type_next()
    {
        string command =
            $"{_sandbox.Program} mount {_mountPoint} --tpm {Tcti} --state-dir {_sandbox.MakeRootsFolder("state")}";
        using ChildProcess terminal = _sandbox.Start(
            User.Root, ["script", "--quiet", "--return", "--flush", "--command", $"exec {command}", "/dev/null"]);
        Deadline.Poll(
            () => terminal.Printed.Contains($"TPM2TOOLS_TCTI=device:{_mountPoint}/rm0", StringComparison.Ordinal),
            "a command to try", terminal.Describe);
        Signals.Send(ChildOf(terminal.Id), Signals.Int);
        terminal.Wait(Deadline.Step).Succeeded();
        Assert.Empty(_sandbox.FuseMounts);
    }

    [Fact]
    public void The_mount_that_a_killed_daemon_left_behind_is_cleaned_by_the_next_start()
    {
        for (int i = 0; i < 2; i++)
        {
            using Daemon killed = Start();
            killed.Send(Signals.Kill);
            killed.Wait();
            Assert.Contains(_mountPoint, _sandbox.FuseMounts);
        }

        using Daemon next = Start();
        Use(next);
        next.Stop();
    }

    [Fact]
    public void A_mount_point_of_a_daemon_that_lives_is_refused()
    {
        using Daemon daemon = Start();
        Refused(Tcti, _mountPoint);
        Use(daemon);
        daemon.Stop();
    }

    [Fact]
    public void A_mount_point_of_something_else_is_refused_and_left_alone()
    {
        _sandbox.Shell($"mount -t tmpfs none {_mountPoint}; touch {_mountPoint}/theirs");
        Refused(Tcti, _mountPoint);
        _sandbox.Shell($"test -e {_mountPoint}/theirs");
    }

    [Fact]
    public void A_tpm_on_tcp_ports_works_as_well()
    {
        using var tcp = new SoftwareTpm(_sandbox, "tcp", tcp: true);
        using var daemon = new Daemon(_sandbox, tcp.Tcti, _mountPoint);
        Use(daemon);
        daemon.Stop();
    }

    [Fact]
    public void A_tpm_that_comes_back_serves_the_openers_that_were_there()
    {
        using Daemon daemon = Start();
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        _tpm.Kill();
        _tpm.Restart();
        opener.Transact(Tpm2.GetRandom(8)).Succeeded(); // the TPM that was killed has not had it
        Assert.Equal(0x910u, opener.Transact(Tpm2.ReadPublic(key)).Code());
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        daemon.Stop();
    }

    [Fact]
    public void The_embedded_tpm_comes_back_when_it_is_killed()
    {
        string state = _sandbox.MakeRootsFolder("embedded");
        using var daemon = new Daemon(_sandbox, $"embedded:{state}", _mountPoint);
        using var agent = new Agent(_sandbox);
        Opener opener = agent.Open(daemon.Node);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        int swtpm = ChildOf(daemon.Id);
        Signals.Send(swtpm, Signals.Kill);
        UntilItWorks(opener);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.NotEqual(swtpm, ChildOf(daemon.Id));
        daemon.Stop();
        Assert.NotEmpty(Directory.GetFiles(state, "*.permall", SearchOption.AllDirectories));
    }

    [Fact]
    public void The_embedded_tpm_keeps_its_keys_from_one_start_to_the_next_and_ends_with_the_daemon()
    {
        string state = _sandbox.MakeRootsFolder("embedded");
        var publicParts = new List<byte[]>();
        for (int i = 0; i < 2; i++)
        {
            using var daemon = new Daemon(_sandbox, $"embedded:{state}", _mountPoint);
            using var agent = new Agent(_sandbox);
            Opener opener = agent.Open(daemon.Node);
            publicParts.Add(
                opener.Transact(Tpm2.ReadPublic(opener.Transact(Tpm2.CreatePrimary()).NewHandle())).Succeeded());
            int swtpm = ChildOf(daemon.Id);
            opener.Close();
            daemon.Stop();
            Deadline.Poll(() => HasEnded(swtpm), "the end of swtpm");
        }

        Assert.Equal(publicParts[0], publicParts[1]);
    }

    [Fact]
    public void Without_swtpm_the_package_to_install_is_named()
    {
        _sandbox.Shell("mount --bind /dev/null $(command -v swtpm)");
        Outcome outcome = Refused($"embedded:{_sandbox.MakeRootsFolder("embedded")}", _mountPoint);
        Assert.Contains("swtpm", outcome.Output + outcome.Error, StringComparison.Ordinal);
        Assert.Contains("install", outcome.Output + outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tpm_that_is_not_there_is_named()
    {
        Outcome outcome = Refused($"swtpm:path={_sandbox.PathOf("nothing")}", _mountPoint);
        Assert.Contains(_sandbox.PathOf("nothing"), outcome.Output + outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("swtpm:")]
    [InlineData("swtpm:port=x")]
    [InlineData("swtpm:host=localhost,port=99999")]
    public void A_tpm_that_cannot_be_understood_is_refused(string tpm)
    {
        Refused(tpm, _mountPoint);
    }

    [Fact]
    public void Somebody_unmounts_and_the_daemon_exits_with_an_error()
    {
        using Daemon daemon = Start();
        _sandbox.Shell($"umount {_mountPoint}");
        Assert.NotEqual(0, daemon.Wait().ExitCode);
    }

    [Fact]
    public void A_user_mounts_in_the_runtime_directory_for_that_user_alone()
    {
        using Daemon daemon = StartOfUser(out User user, out string home);
        Use(daemon, user);
        using var outsider = new Agent(_sandbox, User.Outsider);
        Assert.Equal("EACCES", outsider.Call("open", daemon.Node, "O_RDWR").Errno);
        _sandbox.Shell($"chmod 755 {home}");
        Assert.Equal("EACCES", outsider.Call("open", daemon.Node, "O_RDWR").Errno);
        Assert.Equal(Path.Combine(home, "tpmfs"), daemon.MountPoint);
        daemon.Stop();
    }

    /// <summary>
    /// Such a daemon may not mount a procfs of its own. It serves a client whom it cannot look up in /proc as others.
    /// </summary>
    [Fact]
    public void A_user_s_own_daemon_goes_on_though_nobody_can_look_into_a_client_s_directory_in_proc()
    {
        using Daemon daemon = StartOfUser(out User user, out _);
        using Agent agent = new(_sandbox, user), other = new(_sandbox, user);
        using ChildProcess attacker = _sandbox.Start(
            User.Outsider,
            [
                "/usr/bin/python3", Path.Combine(_sandbox.Scripts, "clients", "stuck.py"), _sandbox.MakeFolder("stuck"),
                "close", $"/proc/{agent.Id}",
            ]);
        Deadline.Poll(
            () => attacker.HasExited || attacker.Printed.Contains("closed", StringComparison.Ordinal),
            "a closed directory", attacker.Describe);

        Opener opener = agent.Open(daemon.Node);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        string[] shown = Encoding.UTF8.GetString(other.Call("cat", Path.Combine(daemon.MountPoint, "openers")).Data)
            .Split(' ');
        Assert.Equal([$"{user.Uid}", $"{agent.Id}", "?"], shown[1..4]);
        Use(daemon, user);
        Assert.False(attacker.HasExited, attacker.Describe());
        attacker.Input.Close();
        attacker.Wait().Succeeded();
        opener.Close();
        daemon.Stop();
    }

    private string Tcti => _tpm.Tcti;

    private Daemon Start() => new(_sandbox, Tcti, _mountPoint);

    /// <summary>Starts a daemon of a user who is not root, with an embedded TPM.</summary>
    private Daemon StartOfUser(out User user, out string home)
    {
        const uint uid = 54_330;
        user = new User(uid);
        home = _sandbox.MakeFolder("user");

        // The device node may be closed to users here; and fusermount3 asks for the name of its user.
        string devices = _sandbox.MakeFolder("dev");
        _sandbox.Shell(string.Create(CultureInfo.InvariantCulture, $"""
            mount -t tmpfs none {devices}
            mknod -m 666 {devices}/fuse c 10 229
            mount --bind {devices}/fuse /dev/fuse
            (cat /etc/passwd; echo tester:x:{uid}:{uid}::{home}:/bin/sh) >{devices}/passwd
            chmod 644 {devices}/passwd
            mount --bind {devices}/passwd /etc/passwd
            chown {uid}:{uid} {home}
            chmod 700 {home}
            """));
        return Daemon.OfUser(_sandbox, user, home, $"embedded:{home}/tpm");
    }

    private void Use(Daemon daemon, User? user = null)
    {
        using var agent = new Agent(_sandbox, user);
        agent.Open(daemon.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    /// <summary>A start that must fail with words and without a trace of the program's inside.</summary>
    private Outcome Refused(string tpm, string mountPoint)
    {
        using ChildProcess process = Daemon.Start(_sandbox, tpm, mountPoint);
        Outcome outcome = process.Wait(Deadline.Step);
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.NotEmpty(outcome.Output + outcome.Error);
        Assert.DoesNotContain("   at ", outcome.Output + outcome.Error, StringComparison.Ordinal);
        return outcome;
    }

    /// <summary>Commands in flight and until the TPM is back end in EIO; the opener itself stays good.</summary>
    private static void UntilItWorks(Opener opener) => Deadline.Poll(
        () =>
        {
            Assert.Null(opener.Write(Tpm2.GetRandom(8)).Errno);
            Reply reply = opener.Read();
            Assert.True(reply.Errno is null or "EIO", reply.Errno);
            return reply.Errno is null && reply.Data.Code() == 0;
        },
        "the opener works again");

    /// <summary>
    /// True when a process is gone, or is a zombie that nobody has waited for, whose command line is empty.
    /// </summary>
    private static bool HasEnded(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Length == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>The one child process of a process; the kernel lists them by the thread that made them.</summary>
    private static int ChildOf(int parent)
    {
        string[] children = [];
        Deadline.Poll(
            () => (children = [.. Directory.GetDirectories($"/proc/{parent}/task").SelectMany(ChildrenOf)]).Length == 1,
            $"one child of process {parent}", () => string.Join(' ', children));
        return int.Parse(children[0], CultureInfo.InvariantCulture);
    }

    /// <summary>Returns a thread's child processes; none where the thread has ended.</summary>
    private static string[] ChildrenOf(string thread)
    {
        try
        {
            return File.ReadAllText($"{thread}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (IOException)
        {
            return [];
        }
    }
}
