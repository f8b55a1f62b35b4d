namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A mount namespace and a folder of its own. All that a test starts runs in it, so no mount is ever seen by the
/// machine, and what is left of it when the test ends, however it ends, is killed.
/// </summary>
internal sealed class Sandbox : IDisposable
{
    /// <summary>Lives as long as its input is open, then ends every other process of its mount namespace.</summary>
    private const string KeeperScript = """
        echo ready
        cat
        for namespace in $(find -L /proc/[0-9]*/ns/mnt -maxdepth 0 -samefile /proc/self/ns/mnt 2>/dev/null); do
            process=${namespace#/proc/}
            process=${process%%/*}
            [ "$process" = $$ ] || kill -KILL "$process" 2>/dev/null
        done
        """;

    private readonly ChildProcess _keeper;

    public Sandbox()
    {
        Requirements.Check();
        Folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        _keeper = new ChildProcess(["unshare", "--mount", "--propagation", "private", "sh", "-c", KeeperScript]);
        Deadline.Poll(
            () => _keeper.Printed.Contains("ready", StringComparison.Ordinal) || _keeper.HasExited, "a mount namespace",
            _keeper.Describe);
        Assert.False(_keeper.HasExited, _keeper.Describe());
        // the machine's own configuration is none of the tests' business
        Shell("[ ! -d /etc/tpmfs ] || mount -t tmpfs none /etc/tpmfs");
        Scripts = Bind(AppContext.BaseDirectory, "tests");
        Program = Path.Combine(Bind(Path.GetDirectoryName(Daemon.Binary)!, "out"), "tpmfs");
    }

    public string Folder { get; }

    /// <summary>The folder of flows and clients, where every user can read them.</summary>
    public string Scripts { get; }

    /// <summary>The program under test, where every user can run it.</summary>
    public string Program { get; }

    /// <summary>The same in a build that can kill itself ('make test' leaves it in out/killswitch).</summary>
    public string ProgramWithKillSwitch => Path.Combine(
        Bind(Path.Combine(Repository.Folder, "out", "killswitch"), "killswitch"), "tpmfs");

    /// <summary>The mount points of FUSE filesystems below the folder, the newest last.</summary>
    public IReadOnlyList<string> FuseMounts =>
        [.. File.ReadLines($"/proc/{_keeper.Id}/mountinfo")
            .Where(line => line.Contains(" - fuse", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[4])
            .Where(point => point.StartsWith(Folder, StringComparison.Ordinal))];

    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>Makes a folder that everybody may use.</summary>
    public string MakeFolder(string name) => MakeFolder(name, (UnixFileMode)0b111_111_111);

    /// <summary>
    /// Makes a folder of root's, that everybody may read: a daemon takes no other for what decides what it does.
    /// </summary>
    public string MakeRootsFolder(string name) => MakeFolder(name, (UnixFileMode)0b111_101_101);

    /// <summary>Starts a process in the namespace; its id is the id of the program itself.</summary>
    public ChildProcess Start(
        User user,
        IEnumerable<string> command,
        IReadOnlyDictionary<string, string>? environment = null,
        string? folder = null,
        Action<string>? onLine = null) =>
        new(["nsenter", $"--mount=/proc/{_keeper.Id}/ns/mnt", "--", "env", "-C", folder ?? Folder, .. user.Prefix,
            .. command], environment, onLine);

    /// <summary>Runs a process in the namespace to its end.</summary>
    public Outcome Run(User user, params string[] command)
    {
        using ChildProcess process = Start(user, command);
        process.Input.Close();
        return process.Wait();
    }

    /// <summary>Runs a script of sh(1) as root; it must succeed.</summary>
    public string Shell(string script) => Run(User.Root, "sh", "-euc", script).Succeeded().Output;

    public void Dispose()
    {
        _keeper.Input.Close();
        _keeper.Wait(Deadline.Step);
        _keeper.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private string MakeFolder(string name, UnixFileMode mode)
    {
        string folder = Directory.CreateDirectory(PathOf(name)).FullName;
        File.SetUnixFileMode(folder, mode);
        return folder;
    }

    /// <summary>Shows a folder in this one; its parents may be closed to other users.</summary>
    private string Bind(string folder, string name)
    {
        string here = MakeFolder(name);
        Run(User.Root, "mount", "--bind", folder, here).Succeeded();
        return here;
    }
}
