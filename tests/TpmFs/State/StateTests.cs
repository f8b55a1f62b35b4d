using System.Diagnostics;
using System.Globalization;
using System.Text;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Fuse;
using TpmFs.State;
using TpmFs.Tree;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.State;

/// <summary>Tests that changes at run time outlive a restart.</summary>
public sealed class StateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    private string File => Path.Combine(_folder, "state.json");

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public void What_was_changed_is_back_after_a_restart()
    {
        Change();

        using var tree = new TreeFixture(folder: _folder);
        Assert.Equal((0x8190u, 7u, 8u), (tree.Find("rm0").Mode, tree.Find("rm0").Uid, tree.Find("rm0").Gid));
        Assert.Equal(0x41C0u, tree.Find("domains/web").Mode);
        Assert.Equal("5\n", tree.Read("domains/web/objects.max"));
        Assert.Equal("@all\n-TPM2_GetRandom\n", tree.Read("domains/web/commands.deny"));
        Assert.Equal(
            (0x4140u, 1000u, 0u),
            (tree.Find("users/1000").Mode, tree.Find("users/1000").Uid, tree.Find("users/1000").Gid));
    }

    [Fact]
    public void What_was_removed_does_not_come_back()
    {
        Change();
        using (var second = new TreeFixture(folder: _folder))
        {
            second.Remove("domains", "web");
            second.Make("domains", "web");
            second.Remove("users", "1000");
            second.Stop();
            System.IO.File.Copy(File, File + ".kept");
        }

        Directory.CreateDirectory(_folder);
        Change();
        using var third = new TreeFixture(folder: _folder);
        third.Remove("domains", "web");
        third.Stop();
        Assert.DoesNotContain("domains/web", System.IO.File.ReadAllText(File), StringComparison.Ordinal);
    }

    public static TheoryData<string> Damage =>
    [
        "", "null", "[]", "{", "{}", "{ \"version\": 1, \"x\": 1 }",
        "{ \"version\": 1, \"made\": null }",
        "{ \"version\": 1, \"access\": { \"rm0\": null } }",
        "{ \"version\": 1, \"access\": { \"rm0\": { \"uid\": 0, \"gid\": 0 } } }",
        "{ \"version\": 1, \"access\": { \"rm0\": { \"mode\": \"4777\", \"uid\": 0, \"gid\": 0 } } }",
        "{ \"version\": 1, \"access\": { \"rm0\": { \"mode\": \"0777\", \"uid\": -1, \"gid\": 0 } } }",
        "{ \"version\": 1, \"access\": { \"rm0\": { \"mode\": \"0777\", \"uid\": 0, \"gid\": 0, \"acl\": "
            + "[\"user:1:rwx\"] } } }",
        "{ \"version\": 1, \"access\": { \"rm0\": { \"mode\": \"0777\", \"uid\": 0, \"gid\": 0, \"acl\": "
            + "[\"group::rw-\", null] } } }",
        "{ \"version\": 1, \"limits\": { \"\": { \"values\": { \"objects.max\": \"-1\" } } } }",
        "{ \"version\": 1, \"limits\": { \"\": { \"values\": { \"objects.max\": null } } } }",
        "{ \"version\": 1, \"limits\": { \"\": { \"values\": {}, \"commands_deny\": [\"@nothing\"] } } }",
    ];

    [Theory]
    [MemberData(nameof(Damage))]
    public void A_damaged_file_is_set_aside_and_what_is_configured_holds(string text)
    {
        System.IO.File.WriteAllText(File, text);

        using var tree = new TreeFixture(folder: _folder);

        Assert.Equal((0x81B0u, 109u), (tree.Find("rm0").Mode, tree.Find("rm0").Gid));
        Assert.Equal("64\n", tree.Read("objects.max"));
        string aside = Assert.Single(Directory.GetFiles(_folder, "state.json.damaged-*"));
        Assert.Equal(text, System.IO.File.ReadAllText(aside));
        Assert.Contains($"{File} is damaged", tree.Logged, StringComparison.Ordinal);
        Assert.Contains(aside, tree.Logged, StringComparison.Ordinal);
    }

    /// <summary>Regression: the file of a newer tpmfs was called damaged, and nothing said what to do.</summary>
    [Theory]
    [InlineData("{ \"version\": 2 }")]
    [InlineData("{ \"version\": 3, \"made\": {}, \"something\": [\"new\"] }")]
    public void A_file_of_a_newer_tpmfs_is_set_aside_and_it_is_said_how_to_have_it_again(string text)
    {
        System.IO.File.WriteAllText(File, text);

        using var tree = new TreeFixture(folder: _folder);

        Assert.Equal("64\n", tree.Read("objects.max"));
        string aside = Assert.Single(Directory.GetFiles(_folder, "state.json.newer-*"));
        Assert.Equal(text, System.IO.File.ReadAllText(aside));
        Assert.Contains($"{File} was written by a newer tpmfs", tree.Logged, StringComparison.Ordinal);
        Assert.Contains($"mv {aside} {File}", tree.Logged, StringComparison.Ordinal);
        Assert.DoesNotContain("damaged", tree.Logged, StringComparison.Ordinal);
    }

    /// <summary>
    /// Regression: each change wrote the file, so that the owner of a domain kept the disk busy; on a disk that failed
    /// too, though the next try was to be 5 s later.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_disk_is_written_to_no_more_than_once_a_second_however_often_something_changes(bool fails)
    {
        using var tree = new TreeFixture(folder: _folder);
        if (fails)
        {
            Directory.CreateDirectory(Path.Combine(File, "in the way")); // the new file cannot take its place
        }

        int writes = 0;
        using var watcher = new FileSystemWatcher(_folder, "state.json.new") { EnableRaisingEvents = true };
        watcher.Created += (_, _) => Interlocked.Increment(ref writes);
        var clock = Stopwatch.StartNew();
        for (int value = 1; clock.Elapsed < TimeSpan.FromSeconds(1.5); value++)
        {
            tree.Write("objects.max", value.ToString(CultureInfo.InvariantCulture));
            Thread.Yield();
        }

        tree.Stop();
        Assert.InRange(Volatile.Read(ref writes), 1, (int)clock.Elapsed.TotalSeconds + 2);
        Assert.Equal(fails, tree.Logged.Contains("cannot be written", StringComparison.Ordinal));
    }

    [Fact]
    public void Random_damage_is_never_more_than_damage()
    {
        Change();
        byte[] whole = System.IO.File.ReadAllBytes(File);
        var random = new Random(4711);
        var file = new TpmFs.State.StateFile(_folder);
        for (int i = 0; i < 5_000; i++)
        {
            byte[] bytes = whole.ToArray();
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(128);
            }

            System.IO.File.WriteAllBytes(File, random.Next(4) == 0 ? bytes[..random.Next(bytes.Length)] : bytes);
            if (!file.TryRead(out _, out StateFault fault))
            {
                Assert.NotEmpty(fault.Problem);
            }
        }
    }

    [Fact]
    public void A_state_directory_that_cannot_be_written_is_said_and_changes_hold()
    {
        using var tree = new TreeFixture(folder: _folder);
        Directory.CreateDirectory(File + ".new"); // nobody can write a file of that name
        tree.Write("objects.max", "7");
        tree.Stop();

        Assert.Equal("7\n", tree.Read("objects.max"));
        Assert.Contains($"{File} cannot be written", tree.Logged, StringComparison.Ordinal);
    }

    [Fact]
    public void Reset_gives_back_what_is_configured_and_is_the_administrators_alone()
    {
        using var tree = new TreeFixture(folder: _folder);
        tree.Make("domains", "web");
        tree.Write("domains/web/objects.max", "5");
        tree.Write("objects.max", "6");
        tree.Change("rm0", mode: 0x180);

        Assert.Equal(Errno.EPERM, Reset(tree, Alice, ""));
        Assert.Equal(Errno.ENOENT, Reset(tree, Root, "domains/none"));
        tree.Write("commands.deny", "@all");
        tree.Write("weight", "7");
        Assert.Equal(Errno.None, Reset(tree, Root, "weight"));
        Assert.Equal(Errno.None, Reset(tree, Root, "commands.deny"));
        Assert.Equal(
            ("100\n", "@platform\n", "6\n"),
            (tree.Read("weight"), tree.Read("commands.deny"), tree.Read("objects.max")));
        Assert.Equal(Errno.None, Reset(tree, Root, "domains/web"));
        Assert.Equal(("64\n", "6\n"), (tree.Read("domains/web/objects.max"), tree.Read("objects.max")));
        Assert.Equal(Errno.None, Reset(tree, Root, ""));
        Assert.Equal(("64\n", 0x81B0u), (tree.Read("objects.max"), tree.Find("rm0").Mode));
        Assert.Empty(tree.List("domains"));
    }

    private static Errno Reset(TreeFixture tree, FuseCaller caller, string path) =>
        tree.Kernel.SetXattr(caller, NodeId.Root, RootDirectory.ResetAttribute, Encoding.ASCII.GetBytes(path), 0);

    /// <summary>Leaves a state file.</summary>
    private void Change()
    {
        var tree = new TreeFixture(folder: _folder);
        tree.Make("domains", "web");
        tree.Make("users", "1000");
        tree.Change("rm0", mode: 0x190, uid: 7, gid: 8);
        tree.Change("domains/web", mode: 0x1C0);
        tree.Write("domains/web/objects.max", "5");
        tree.Write("domains/web/commands.deny", "@all\n-TPM2_GetRandom");
        tree.Stop();
    }
}
