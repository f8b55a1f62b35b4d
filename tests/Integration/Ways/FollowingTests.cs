using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>The thread that serves clients follows them from CPU to CPU, and starves nowhere.</summary>
public sealed class FollowingTests(ITestOutputHelper output) : IDisposable
{
    private const int Rounds = 5;

    /// <summary>
    /// The time by which the longest command of a usual round may take longer than with "plain", in milliseconds.
    /// </summary>
    private const int Longer = 100;

    private readonly Sandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    /// <summary>The loops are in the daemon's scheduling group (sched(7), autogroup), or in one of their own.</summary>
    [Theory]
    [InlineData("env")]
    [InlineData("setsid")]
    public void Beside_as_many_busy_loops_as_CPUs_no_command_takes_much_longer_than_with_plain_scheduling(
        string starter)
    {
        using Daemon plain = Start("plain");
        using Daemon follow = Start("follow");
        ChildProcess[] loops = [.. Enumerable.Range(0, Environment.ProcessorCount)
            .Select(_ => _sandbox.Start(User.Root, [starter, "sh", "-c", "while :; do :; done"]))];
        try
        {
            var plainLongest = new List<int>();
            var followLongest = new List<int>();
            for (int round = 0; round < Rounds; round++)
            {
                plainLongest.Add(LongestOf(plain, $"plain-{round}"));
                followLongest.Add(LongestOf(follow, $"follow-{round}"));
            }

            output.WriteLine(
                $"longest of each round, in ms: plain {string.Join(' ', plainLongest)}, "
                    + $"follow {string.Join(' ', followLongest)}; {Scheduling(follow)}");

            // A thread that starves does so in every round. Other programs disturb one round or another.
            Assert.InRange(followLongest.Order().ElementAt(Rounds / 2), 0, plainLongest.Max() + Longer);
        }
        finally
        {
            Array.ForEach(loops, loop => loop.Dispose());
        }
    }

    [Fact]
    public void The_thread_and_the_TPM_are_where_the_client_is_and_run_anywhere_when_it_has_left()
    {
        using Daemon daemon = Start("follow");
        string[] free = Affinities(daemon);
        string stop = _sandbox.PathOf("stop");
        using ChildProcess client = StartClient(daemon, stop);
        Deadline.Poll(
            () => Scheduling(daemon).Contains("follow; on CPU", StringComparison.Ordinal), "a thread that follows",
            () => Scheduling(daemon));
        Deadline.Poll(() => Affinities(daemon).Except(free).Any(), "threads that may run on the client's CPU only");

        File.WriteAllText(stop, "");
        Assert.Equal(0, client.Wait().ExitCode);
        Deadline.Poll(() => Affinities(daemon).Distinct().SequenceEqual(free.Distinct()), "threads that run anywhere");
        Assert.Contains("not placed now", Scheduling(daemon), StringComparison.Ordinal);
        daemon.Stop();
    }

    [Fact]
    public void A_daemon_that_may_use_one_CPU_stays_there()
    {
        using Daemon daemon = Start("follow", "taskset", "-c", "0");
        LongestOf(daemon, "pinned");
        Assert.Equal(["1"], Affinities(daemon).Distinct());
        Assert.Contains("placed 0 times", Scheduling(daemon), StringComparison.Ordinal);
    }

    /// <summary>Without the permission to leave it, a thread in SCHED_IDLE would be in it for ever.</summary>
    [Fact]
    public void A_daemon_that_may_not_leave_the_idle_class_says_so_and_follows_without_it()
    {
        using Daemon daemon = Start("follow", "setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice");
        Assert.Contains("LimitNICE=+0", Scheduling(daemon), StringComparison.Ordinal);
        LongestOf(daemon, "unprivileged");
        Assert.All(
            Directory.GetDirectories($"/proc/{daemon.Id}/task").SelectMany(task => LinesOf(task + "/stat")),
            line => Assert.Equal("0", line.Split(") ")[^1].Split(' ')[38]));
    }

    [Fact]
    public void Where_it_is_not_wanted_nothing_is_placed()
    {
        using Daemon daemon = Start("plain");
        LongestOf(daemon, "plain");
        Assert.Equal("plain", Scheduling(daemon));
    }

    private Daemon Start(string scheduling, params string[] before)
    {
        string configuration = _sandbox.PathOf(scheduling + ".json");
        File.WriteAllText(configuration, $$"""{ "scheduling": "{{scheduling}}" }""");
        return Daemon.Through(
            _sandbox, before, $"embedded:{_sandbox.PathOf("tpm-" + scheduling)}",
            _sandbox.MakeFolder("mnt-" + scheduling), "--config", configuration);
    }

    private ChildProcess StartClient(Daemon daemon, string stop) =>
        _sandbox.Start(
            User.Root, ["python3", Path.Combine(_sandbox.Scripts, "clients/steady.py"), daemon.Node, stop]);

    /// <summary>
    /// Returns how long the longest command took of a client that sends one after the other for 2 s, in milliseconds.
    /// </summary>
    private int LongestOf(Daemon daemon, string name)
    {
        string stop = _sandbox.PathOf("stop-" + name);
        string[] words = _sandbox.Shell(
            $"python3 {_sandbox.Scripts}/clients/steady.py {daemon.Node} {stop} & sleep 2; touch {stop}; wait $!")
            .Split(' ');
        return int.Parse(words[1], CultureInfo.InvariantCulture);
    }

    private string Scheduling(Daemon daemon) =>
        _sandbox.Shell($"cat {daemon.MountPoint}/status").Split('\n')
            .First(line => line.StartsWith("scheduling ", StringComparison.Ordinal))["scheduling ".Length..];

    /// <summary>Returns on which CPUs the daemon's threads, and its TPM, may run.</summary>
    private static string[] Affinities(Daemon daemon)
    {
        string[] threads = Directory.GetDirectories($"/proc/{daemon.Id}/task");
        IEnumerable<string> children = threads
            .SelectMany(thread => LinesOf(thread + "/children"))
            .SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(child => $"/proc/{child}");
        return
        [
            .. threads.Concat(children)
                .SelectMany(thread => LinesOf(thread + "/status"))
                .Where(line => line.StartsWith("Cpus_allowed:", StringComparison.Ordinal))
                .Select(line => line.Split('\t')[1]),
        ];
    }

    /// <summary>Returns the lines of a thread's file in /proc; none where the thread has ended.</summary>
    private static string[] LinesOf(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (IOException)
        {
            return [];
        }
    }
}
