using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// A daemon that is killed while its swtpm follows a client leaves the swtpm on one CPU, in class SCHED_IDLE.
/// Regression: the next daemon took it for one that somebody else had placed, and left it there for good. Any busy
/// program of that CPU starved it.
/// </summary>
public sealed class PlacedTpmTests : IDisposable
{
    private const string Idle = "5"; // SCHED_IDLE
    private const int ClassField = 38; // "policy" in proc_pid_stat(5), from the third field on

    private readonly Sandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void The_next_daemon_frees_a_TPM_that_the_last_one_had_placed()
    {
        using var service = new KeptService(_sandbox, "embedded", _sandbox.MakeFolder("mnt"));
        string tpm = Assert.Single(
            Directory.GetDirectories($"/proc/{service.Id}/task")
                .Select(thread => File.ReadAllText(thread + "/children").Trim()),
            child => child.Length > 0);
        string free = CpusOf(tpm);
        string stop = _sandbox.PathOf("stop");
        using ChildProcess client = _sandbox.Start(
            User.Root, ["python3", Path.Combine(_sandbox.Scripts, "clients", "steady.py"), service.Node, stop]);

        // The daemon may have let it go again by the time that the signal comes.
        while (ClassOf(tpm) != Idle)
        {
            Deadline.Poll(() => ClassOf(tpm) == Idle, "a TPM that is placed", service.Describe, Deadline.Client);
            service.Send(Signals.Stop);
            if (ClassOf(tpm) != Idle)
            {
                service.Send(Signals.Continue);
            }
        }

        service.Kill();
        service.AwaitReady(2);
        File.WriteAllText(stop, "");
        client.Wait().Succeeded();
        Deadline.Poll(
            () => ClassOf(tpm) != Idle && CpusOf(tpm) == free, "a TPM that runs anywhere",
            () => $"{ClassOf(tpm)} {CpusOf(tpm)}");
    }

    private static string ClassOf(string process) =>
        File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1].Split(' ')[ClassField];

    private static string CpusOf(string process) => File.ReadLines($"/proc/{process}/status")
        .First(line => line.StartsWith("Cpus_allowed:", StringComparison.Ordinal)).Split('\t')[1];
}
