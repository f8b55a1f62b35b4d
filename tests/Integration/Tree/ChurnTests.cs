using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Many processes that make, change, use and remove things at once.</summary>
public sealed class ChurnTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const int Processes = 8;

    /// <summary>The number of times that each process does its 14 operations: TPMFS_TEST_CHURN, or 60.</summary>
    private static readonly int s_rounds =
        int.Parse(Environment.GetEnvironmentVariable("TPMFS_TEST_CHURN") ?? "60", CultureInfo.InvariantCulture);

    [Fact]
    public void Eight_processes_at_once_break_nothing_and_leave_nothing_behind()
    {
        Churn("warm");
        AssertTpmEmpties();
        long memory = Mount.Daemon.Memory(), nodes = Nodes();
        int files = Mount.Daemon.CountFiles();
        Churn("first");
        Churn("second");
        AssertTpmEmpties();
        Deadline.Poll(() => Nodes() <= nodes, "as few nodes as before", () => $"{Nodes()} nodes, {nodes} before");
        Deadline.Poll(
            () => Mount.Daemon.CountFiles() <= files + 8, "as few open files as before",
            () => $"{Mount.Daemon.CountFiles()} files, {files} before");
        Assert.Empty(Openers(Mount.Daemon.MountPoint));

        // Twice as much work as before cannot need much more memory, whenever the garbage collector last ran.
        Assert.InRange(Mount.Daemon.Memory() - memory, long.MinValue, 32 << 10);
        Assert.Empty(List(At("domains")));
    }

    private void Churn(string name)
    {
        ChildProcess[] clients = [.. Enumerable.Range(0, Processes).Select(i => Mount.Sandbox.Start(
            User.Root,
            ["/usr/bin/python3", Path.Combine(Mount.Sandbox.Scripts, "clients", "churn.py"), Mount.Daemon.MountPoint,
                $"{s_rounds}", $"{name}{i}"]))];
        try
        {
            Assert.All(clients, client => client.Wait(Deadline.Client + TimeSpan.FromSeconds(s_rounds)).Succeeded());
        }
        finally
        {
            Array.ForEach(clients, client => client.Dispose());
        }

        // The kernel caches names below removed directories for as long as it likes; a remount makes it forget them.
        Mount.Sandbox.Shell($"mount -i -o remount {Mount.Daemon.MountPoint}");
    }

    /// <summary>The nodes that the daemon knows, as statfs(2) tells.</summary>
    private long Nodes() =>
        long.Parse(Mount.Sandbox.Shell($"stat -f -c %c {Mount.Daemon.MountPoint}"), CultureInfo.InvariantCulture);
}
