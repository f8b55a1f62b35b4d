using System.Text.Json;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using TpmFs.Cdi;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Cdi;

/// <summary>The daemon keeps the specification as its domains are.</summary>
public sealed class CdiKeeperTests : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(20);

    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
    private readonly LogSink _warnings = new();
    private readonly Logger _log;
    private readonly CdiKeeper _keeper;
    private TreeFixture? _tree;
    private (string Path, string Node, string Problem)[] _devices = [];
    private int _writes;

    public CdiKeeperTests()
    {
        _log = new LoggerConfiguration().WriteTo.Sink(_warnings).CreateLogger();
        _keeper = NewKeeper();
    }

    private string File => Path.Combine(_folder, "cdi", "tpmfs.json");

    public void Dispose()
    {
        _tree?.Dispose();
        _keeper.Dispose();
        _log.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Domains_that_there_are_at_the_start_are_named_when_the_start_returns()
    {
        var settings = new Settings();
        settings.Domains.Add("db", new DomainSettings());
        NewTree(settings);
        Assert.False(Path.Exists(File));
        _keeper.Start();
        Assert.Equal("db=/mnt/domains/db/rm0", Named());
    }

    /// <summary>
    /// Regression: any user could hold the file's directory, by listing it into memory that never arrives. The thread
    /// that starts and stops the daemon waited there, and neither signals nor a hand-over ended it.
    /// </summary>
    [Fact]
    public async Task A_file_that_cannot_be_written_for_now_keeps_the_daemon_neither_from_starting_nor_from_stopping()
    {
        using var hold = new ManualResetEventSlim();
        var held = new CdiKeeper(
            File, "/mnt",
            () =>
            {
                hold.Wait();
                return [];
            },
            _log)
        {
            Limit = TimeSpan.FromMilliseconds(50),
        };
        var life = Task.Run(() =>
        {
            held.Start();
            held.Dispose();
        });
        Task first = await Task.WhenAny(life, Task.Delay(s_deadline));
        hold.Set();
        Assert.Same(life, first);
        Assert.Equal(2, _warnings.Messages.Length);
    }

    [Fact]
    public void A_domain_is_named_after_mkdir_and_no_more_after_rmdir()
    {
        TreeFixture tree = Start(tpms: 2);
        Assert.False(Path.Exists(File)); // engines refuse a specification without a device
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0,/mnt/domains/web/rm1");
        tree.Make("domains", "db");
        Await("db=/mnt/domains/db/rm0,/mnt/domains/db/rm1 web=/mnt/domains/web/rm0,/mnt/domains/web/rm1");
        tree.Remove("domains", "web");
        Await("db=/mnt/domains/db/rm0,/mnt/domains/db/rm1");
        tree.Remove("domains", "db");
        Await("");
    }

    [Fact]
    public void Without_a_domain_and_without_the_directory_nothing_is_logged()
    {
        TreeFixture tree = Start();
        Assert.Empty(_warnings.Messages);
        Assert.False(Path.Exists(Path.GetDirectoryName(File)));
    }

    [Fact]
    public void A_domain_that_is_removed_and_made_again_is_named_once()
    {
        TreeFixture tree = Start();
        for (int i = 0; i < 50; i++)
        {
            tree.Make("domains", "web");
            tree.Remove("domains", "web");
        }

        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
    }

    /// <summary>A user who may make domains had the file written hundreds of times in a second.</summary>
    [Fact]
    public void The_file_is_written_ten_times_in_a_second_at_most()
    {
        TreeFixture tree = NewTree();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        _keeper.Start();
        while (clock.ElapsedMilliseconds < 500)
        {
            tree.Make("domains", "web");
            tree.Remove("domains", "web");
        }

        int most = 2 + (int)(clock.ElapsedMilliseconds / 100);
        Assert.InRange(Volatile.Read(ref _writes), 1, most);
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
    }

    [Fact]
    public void The_directories_of_users_and_the_nodes_of_the_root_are_not_named()
    {
        TreeFixture tree = Start();
        tree.Make("users", "1000");
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
    }

    [Fact]
    public void A_domain_with_a_character_device_is_named_with_that()
    {
        TreeFixture tree = Start();
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
        _devices = [("/dev/tpmfs/web", "domains/web/rm0", "it is being made")];
        _keeper.Refresh();
        _devices = [("/dev/tpmfs/web", "domains/web/rm0", "")];
        _keeper.Refresh();
        Await("web=/dev/tpmfs/web");
    }

    [Fact]
    public void A_TPM_that_cannot_be_managed_has_no_node_to_be_named()
    {
        TreeFixture tree = NewTree(tpms: 2);
        tree.Facts[0] = tree.Facts[0] with { Family = TpmFamily.Tpm12 };
        _keeper.Start();
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm1");
    }

    [Fact]
    public void A_name_that_is_no_devices_is_left_out_and_the_log_says_so_once()
    {
        TreeFixture tree = Start();
        tree.Make("domains", "web_");
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
        tree.Make("domains", "db");
        Await("db=/mnt/domains/db/rm0 web=/mnt/domains/web/rm0");
        Assert.Single(_warnings.Messages, message => message.Contains("web_", StringComparison.Ordinal));
    }

    /// <summary>
    /// Regression: a user who made domains of such names and removed them, ever more of them, filled the log and the
    /// daemon's memory.
    /// </summary>
    [Fact]
    public void The_log_names_no_more_than_some_of_very_many_that_are_left_out()
    {
        TreeFixture tree = Start();
        for (int i = 0; i < 2 * CdiKeeper.MostLeftOut; i++)
        {
            tree.Make("domains", $"web{i}_");
        }

        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
        Assert.Equal(
            CdiKeeper.MostLeftOut,
            _warnings.Messages.Count(message => message.Contains("is not in", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_file_goes_with_the_daemon()
    {
        TreeFixture tree = Start();
        tree.Make("domains", "web");
        Await("web=/mnt/domains/web/rm0");
        tree.Dispose();
        _keeper.Dispose();
        Assert.False(Path.Exists(File));
    }

    [Fact]
    public void A_daemon_that_did_not_come_to_serve_leaves_the_file_of_another_alone()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, "another's");
        NewKeeper().Dispose();
        Assert.Equal("another's", System.IO.File.ReadAllText(File));
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_logged_once_and_written_later()
    {
        string folder = Path.GetDirectoryName(File)!;
        Directory.CreateDirectory(Path.Combine(File, "in-the-way")); // no rename replaces a directory
        TreeFixture tree = NewTree();
        tree.Make("domains", "web");
        _keeper.Start();
        string message = Assert.Single(_warnings.Messages);
        Assert.Contains($"{File} cannot be written", message, StringComparison.Ordinal);
        Assert.Contains("SIGHUP", message, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
        _keeper.Refresh();
        Await("web=/mnt/domains/web/rm0");
        Assert.Single(_warnings.Messages);
    }

    [Theory]
    [InlineData("tpmfs.json")]
    [InlineData("/run/cdi/tpmfs")]
    [InlineData("/run/cdi/")]
    [InlineData("/run/cdi/a\\nb.json")]
    [InlineData("")]
    public void A_file_that_no_engine_would_read_is_refused(string path)
    {
        Assert.False(SettingsFile.TryParse(
            System.Text.Encoding.UTF8.GetBytes($"{{ \"cdi\": \"{path}\" }}"), out _, out _, out string problem));
        Assert.Contains("/run/cdi/tpmfs.json", problem, StringComparison.Ordinal);
    }

    /// <summary>Makes the tree whose domains the keeper learns of.</summary>
    private TreeFixture NewTree(Settings? settings = null, int tpms = 1) =>
        _tree = new TreeFixture(settings, tpms: tpms, watcher: _keeper);

    /// <summary>Makes the tree, and starts the keeper.</summary>
    private TreeFixture Start(int tpms = 1)
    {
        TreeFixture tree = NewTree(tpms: tpms);
        _keeper.Start();
        return tree;
    }

    private CdiKeeper NewKeeper() => new(
        File, "/mnt",
        () =>
        {
            Interlocked.Increment(ref _writes);
            return _devices;
        },
        _log);

    private void Await(string expected)
    {
        Assert.True(
            SpinWait.SpinUntil(() => Named() == expected, s_deadline), $"'{Named()}' did not become '{expected}'");
    }

    /// <summary>Returns the devices of the file, each with what is mounted for it.</summary>
    private string Named()
    {
        try
        {
            using var parsed = JsonDocument.Parse(System.IO.File.ReadAllBytes(File));
            return string.Join(' ', parsed.RootElement.GetProperty("devices").EnumerateArray().Select(device =>
                $"{device.GetProperty("name").GetString()}=" + string.Join(',', device.GetProperty("containerEdits")
                    .GetProperty("mounts").EnumerateArray()
                    .Select(mount => mount.GetProperty("hostPath").GetString()))));
        }
        catch (IOException)
        {
            return ""; // There is no such file.
        }
    }

    private sealed class LogSink : ILogEventSink
    {
        private readonly List<string> _messages = [];

        public string[] Messages
        {
            get
            {
                lock (_messages)
                {
                    return [.. _messages];
                }
            }
        }

        public void Emit(LogEvent logEvent)
        {
            lock (_messages)
            {
                _messages.Add(TpmFs.Logs.Rendered.Message(logEvent));
            }
        }
    }
}
