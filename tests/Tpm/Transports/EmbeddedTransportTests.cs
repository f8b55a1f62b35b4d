using System.Diagnostics;
using System.Globalization;
using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

public sealed class EmbeddedTransportTests : IDisposable
{
    private const int SigCont = 18;
    private const int SigStop = 19;

    private readonly TemporaryDirectory _directory = new();

    private string State => _directory.File("state");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_tpm_of_our_own_is_started_in_a_directory_that_is_made_for_it()
    {
        using EmbeddedTransport transport = Start();
        Assert.Equal(new TpmTransportFeatures(CanCancel: true, HighestLocality: 4), transport.Features);
        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(State));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(
            Path.Combine(State, "tpm2-00.permall")));
    }

    [Fact]
    public void Stopping_it_leaves_no_process()
    {
        EmbeddedTransport transport = Start();
        int process = transport.ServerProcess;
        transport.Dispose();
        Assert.False(Exists(process));
        transport.Dispose();
    }

    [Fact]
    public void Its_state_outlives_it_and_stopping_it_counts_no_failed_authorization()
    {
        using (EmbeddedTransport transport = Start())
        {
            FailAnAuthorizationThatCounts(transport, expectedCount: 1);
        }

        for (int round = 0; round < 3; round++)
        {
            using EmbeddedTransport again = Start();
            Assert.Equal(1u, TpmClient.Property(again, TpmPt.LockoutCounter));

            // The protection is in use again: from here a stop without TPM2_Shutdown would count one more.
            FailAnAuthorizationThatCounts(again, expectedCount: 2);
            ResetLockout(again);
            FailAnAuthorizationThatCounts(again, expectedCount: 1);
        }
    }

    [Fact]
    public void A_command_under_way_when_it_is_stopped_is_waited_for_and_the_stop_is_in_order()
    {
        using (EmbeddedTransport transport = Start())
        {
            FailAnAuthorizationThatCounts(transport, expectedCount: 1);
            GiveUpOn(transport, TpmClient.CreatePrimaryRsa);
        }

        using EmbeddedTransport again = Start();
        Assert.Equal(1u, TpmClient.Property(again, TpmPt.LockoutCounter));
    }

    [Fact]
    public void A_killed_swtpm_comes_back_and_has_not_had_the_commands_sent_meanwhile()
    {
        using EmbeddedTransport transport = Start();
        int killed = transport.ServerProcess;
        Assert.Equal(0, ProcessCalls.Kill(killed, ProcessCalls.SigKill));
        Assert.True(SpinWait.SpinUntil(() => !IsRunning(killed), TpmClient.Patience));
        TransmitResult result = TpmClient.TryGetRandom(transport, TpmClient.Patience);
        Assert.Equal(TransmitStatus.NotSent, result.Status);
        TpmClient.Connect(transport);
        Assert.NotEqual(killed, transport.ServerProcess);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.Startup)));
        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);
    }

    [Fact]
    public void A_slow_swtpm_is_kept_and_its_late_response_is_dropped()
    {
        using EmbeddedTransport transport = Start();
        int process = transport.ServerProcess;
        GiveUpOn(transport, TpmClient.CreatePrimaryRsa);
        Assert.Equal(TransmitStatus.NotSent, TpmClient.TryGetRandom(transport, TpmClient.Patience).Status);
        TpmClient.Connect(transport);
        Assert.Equal(process, transport.ServerProcess);
        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);
    }

    [Fact]
    public void Cancels_at_any_time_leave_every_answer_right()
    {
        using EmbeddedTransport transport = Start();
        SwtpmTransportTests.CancelThroughout(transport);
    }

    [Fact]
    public void A_control_channel_that_is_lost_is_found_again_by_a_new_connection()
    {
        using EmbeddedTransport transport = Start();
        Assert.Equal(0, ProcessCalls.Kill(transport.ServerProcess, SigStop));
        TransmitResult result = TpmClient.TryGetRandom(transport, TimeSpan.FromMilliseconds(100), locality: 1);
        Assert.Equal(TransmitStatus.NotSent, result.Status);
        Assert.Equal(0, ProcessCalls.Kill(transport.ServerProcess, SigCont));
        TpmClient.Connect(transport);
        TpmClient.Execute(transport, TpmClient.Startup);
        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8, locality: 1).Length);
    }

    [Fact]
    public void The_signals_that_end_a_group_of_processes_do_not_end_it()
    {
        using EmbeddedTransport transport = Start();
        foreach (int signal in (ReadOnlySpan<int>)[ProcessCalls.SigHup, ProcessCalls.SigInt, ProcessCalls.SigTerm])
        {
            Assert.Equal(0, ProcessCalls.Kill(transport.ServerProcess, signal));
        }

        Assert.Equal(20, TpmClient.Execute(transport, TpmClient.GetRandom8).Length);
        string[] stat = File.ReadAllText($"/proc/{transport.ServerProcess}/stat").Split(' ');
        // Its session is its own.
        Assert.Equal(transport.ServerProcess.ToString(CultureInfo.InvariantCulture), stat[5]);
    }

    [Fact]
    public void The_swtpm_inherits_nothing_but_its_sockets()
    {
        using FileStream secret = File.OpenRead("/etc/passwd");
        using EmbeddedTransport transport = Start();
        IEnumerable<string> open = Directory.EnumerateFiles($"/proc/{transport.ServerProcess}/fd")
            .Select(descriptor => new FileInfo(descriptor).LinkTarget!);
        Assert.DoesNotContain("/etc/passwd", open);
        Assert.DoesNotContain(open, target => target.Contains("tpmfs.lock", StringComparison.Ordinal));
    }

    [Fact]
    public void Two_on_one_directory_are_refused_at_once()
    {
        using EmbeddedTransport first = Start();
        using var second = new EmbeddedTransport(State);
        Assert.False(second.TryConnect(TpmClient.Patience, out string problem));
        Assert.Contains($"another tpmfs uses the state directory {State}", problem, StringComparison.Ordinal);
        Assert.Equal(20, TpmClient.Execute(first, TpmClient.GetRandom8).Length);
    }

    [Fact]
    public void A_swtpm_of_somebody_else_on_the_directory_is_refused()
    {
        using var swtpm = new Swtpm();
        using var transport = new EmbeddedTransport(Path.GetDirectoryName(swtpm.DataPath)!);
        Assert.False(transport.TryConnect(TimeSpan.FromMilliseconds(200), out string problem));
        Assert.Contains("another swtpm uses the state", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void State_that_swtpm_cannot_read_is_told_in_its_own_words()
    {
        Directory.CreateDirectory(State);
        File.WriteAllText(Path.Combine(State, "tpm2-00.permall"), "this is no TPM's state");
        using var transport = new EmbeddedTransport(State);
        Assert.False(transport.TryConnect(TpmClient.Patience, out string problem));
        Assert.True(
            problem.StartsWith($"swtpm did not start with the state in {State}: ", StringComparison.Ordinal), problem);
        Assert.Contains("Could not initialize libtpms", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_that_cannot_be_used_is_told_apart()
    {
        File.WriteAllText(_directory.File("file"), string.Empty);
        (string Path, string Hint)[] bad =
        [
            (_directory.File("file"), "is a plain file, and not a directory"),
            (_directory.File("file/below"), "cannot make the state directory"),
            (_directory.File("a,b"), "comma"),
            (_directory.File(new string('x', 300)), "too long"),
            ("/proc/self", "cannot write in the state directory"),
            ("/proc/tpmfs", "cannot make the state directory"),
        ];
        foreach ((string path, string hint) in bad)
        {
            using var transport = new EmbeddedTransport(path);
            Assert.False(transport.TryConnect(TpmClient.Patience, out string problem));
            Assert.Contains(hint, problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Without_swtpm_the_package_to_install_is_named()
    {
        string error = RunOwner(State, path: "/nonexistent", out int exitCode);
        Assert.Equal(1, exitCode);
        Assert.Contains("apt install swtpm", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_owner_who_is_killed_leaves_no_swtpm_and_the_state_to_the_next()
    {
        using Process owner = StartOwner(State, Environment.GetEnvironmentVariable("PATH")!);
        string line = (await owner.StandardOutput.ReadLineAsync().WaitAsync(TpmClient.Patience))!;
        int swtpm = int.Parse(line, CultureInfo.InvariantCulture);
        Assert.True(Exists(swtpm));
        owner.Kill();
        await owner.WaitForExitAsync().WaitAsync(TpmClient.Patience);

        // The next owner waits for the state; once it has it, the last one's process is gone.
        using EmbeddedTransport next = Start();
        Assert.NotEqual(swtpm, next.ServerProcess);
        Assert.False(IsRunning(swtpm));
    }

    /// <summary>
    /// Regression: a swtpm that had a command to answer when its owner was killed never noticed, took all of a
    /// processor's time, and could be ended by SIGKILL alone.
    /// </summary>
    [Fact]
    public async Task A_swtpm_with_a_command_to_answer_ends_too_when_its_owner_is_killed()
    {
        using Process owner = StartOwner(State, Environment.GetEnvironmentVariable("PATH")!);
        string line = (await owner.StandardOutput.ReadLineAsync().WaitAsync(TpmClient.Patience))!;
        int swtpm = int.Parse(line, CultureInfo.InvariantCulture);
        Assert.Equal("Ok", await CommandAsync(owner));
        Assert.Equal(0, ProcessCalls.Kill(swtpm, SigStop));
        Assert.Equal("TimedOut", await CommandAsync(owner));
        owner.Kill();
        await owner.WaitForExitAsync().WaitAsync(TpmClient.Patience);
        Assert.Equal(0, ProcessCalls.Kill(swtpm, SigCont));

        bool hasEnded = SpinWait.SpinUntil(() => !IsRunning(swtpm), TpmClient.Patience);
        Assert.True(hasEnded || ProcessCalls.Kill(swtpm, ProcessCalls.SigKill) == 0);
        Assert.True(hasEnded);
    }

    private EmbeddedTransport Start()
    {
        var transport = new EmbeddedTransport(State);
        TpmClient.Connect(transport);
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, TpmClient.Startup)));
        return transport;
    }

    /// <summary>Has a command time out, by stopping the process that would answer it.</summary>
    private static void GiveUpOn(EmbeddedTransport transport, byte[] command)
    {
        Assert.Equal(0, ProcessCalls.Kill(transport.ServerProcess, SigStop));
        TransmitResult result = transport.Transmit(command, 0, new byte[4096], TimeSpan.FromMilliseconds(300));
        Assert.Equal(TransmitStatus.TimedOut, result.Status);
        Assert.Equal(0, ProcessCalls.Kill(transport.ServerProcess, SigCont));
    }

    /// <summary>A wrong password for an NV index that dictionary-attack protection covers.</summary>
    private static void FailAnAuthorizationThatCounts(EmbeddedTransport transport, uint expectedCount)
    {
        byte[] define = new TpmCommandBuilder(TpmCc.NvDefineSpace).Handle(0x4000_0001).Password()
            .Sized("A"u8)
            .Sized(new ByteWriter().U32(0x0100_0001).U16(0x0B).U32(0x0004_0004).Sized([]).U16(8).Written)
            .Build();
        TpmClient.Execute(transport, define); // A second time it is there already.
        byte[] write = new TpmCommandBuilder(TpmCc.NvWrite).Handle(0x0100_0001).Handle(0x0100_0001).Password("B"u8)
            .Sized([0]).U16(0)
            .Build();
        TpmRc code = TpmClient.CodeOf(TpmClient.Execute(transport, write));
        if (code == TpmRc.Retry)
        {
            code = TpmClient.CodeOf(TpmClient.Execute(transport, write));
        }

        Assert.Equal(TpmRc.AuthFail.ForSession(0), code);
        Assert.Equal(expectedCount, TpmClient.Property(transport, TpmPt.LockoutCounter));
    }

    private static void ResetLockout(EmbeddedTransport transport)
    {
        byte[] reset = new TpmCommandBuilder(TpmCc.DictionaryAttackLockReset).Handle(0x4000_000A).Password().Build();
        Assert.Equal(TpmRc.Success, TpmClient.CodeOf(TpmClient.Execute(transport, reset)));
    }

    private static Process StartOwner(string state, string path)
    {
        var start = new ProcessStartInfo(
            Environment.ProcessPath!, [typeof(EmbeddedTransportTests).Assembly.Location, state])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["PATH"] = path;
        return Process.Start(start)!;
    }

    /// <summary>Has an owner send a command, and returns what came of it.</summary>
    private static async Task<string?> CommandAsync(Process owner)
    {
        await owner.StandardInput.WriteLineAsync();
        await owner.StandardInput.FlushAsync();
        return await owner.StandardOutput.ReadLineAsync().WaitAsync(TpmClient.Patience);
    }

    private static string RunOwner(string state, string path, out int exitCode)
    {
        using Process owner = StartOwner(state, path);
        string output = owner.StandardOutput.ReadToEnd();
        owner.WaitForExit();
        exitCode = owner.ExitCode;
        return output;
    }

    private static bool Exists(int process) => Directory.Exists($"/proc/{process}");

    /// <summary>A zombie has ended; who reaps it is not our business.</summary>
    private static bool IsRunning(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1][0] != 'Z';
        }
        catch (IOException)
        {
            return false;
        }
    }
}
