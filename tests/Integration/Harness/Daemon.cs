using System.Globalization;
using System.Reflection;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>A TpmFs that runs in a sandbox.</summary>
internal sealed class Daemon : IDisposable
{
    private readonly Sandbox _sandbox;
    private readonly ChildProcess _process;

    /// <summary>Starts it and waits until its node is there.</summary>
    public Daemon(Sandbox sandbox, string tpm, string mountPoint, params string[] more)
        : this(sandbox, mountPoint, User.Root, Start(sandbox, tpm, mountPoint, more))
    {
    }

    private Daemon(Sandbox sandbox, string mountPoint, User user, ChildProcess process)
    {
        (_sandbox, MountPoint, _process) = (sandbox, mountPoint, process);
        using ChildProcess ready = sandbox.Start(user, ["sh", "-c", "until [ -e \"$0\" ]; do sleep 0.02; done", Node]);
        Deadline.Poll(() => ready.HasExited || process.HasExited, $"{Node} is there", Describe);
        Assert.False(process.HasExited, Describe());
    }

    /// <summary>
    /// Starts it through another program, which executes it in place, and waits until its node is there.
    /// </summary>
    /// <param name="sandbox">The sandbox that it runs in.</param>
    /// <param name="before">That program, and its words; none to start the daemon straight away.</param>
    /// <param name="tpm">The way to the TPM.</param>
    /// <param name="mountPoint">The mount point.</param>
    /// <param name="more">More words of the command line.</param>
    public static Daemon Through(
        Sandbox sandbox, string[] before, string tpm, string mountPoint, params string[] more) =>
        new(sandbox, mountPoint, User.Root, sandbox.Start(
            User.Root, [.. before, .. Words(sandbox, tpm, mountPoint), .. more]));

    /// <summary>The program under test: TPMFS_PROGRAM, else what 'make build' leaves.</summary>
    public static string Binary { get; } = Environment.GetEnvironmentVariable("TPMFS_PROGRAM")
        ?? typeof(Daemon).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .First(data => data.Key == "Daemon").Value!;

    public string MountPoint { get; }

    public string Node => Path.Combine(MountPoint, "rm0");

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Printed => _process.Printed;

    /// <summary>Starts a daemon that may well refuse to run; nothing is waited for.</summary>
    /// <param name="sandbox">The sandbox that it runs in.</param>
    /// <param name="tpm">The way to the TPM.</param>
    /// <param name="mountPoint">The mount point; the folder of its state follows from that.</param>
    /// <param name="more">More words of the command line.</param>
    public static ChildProcess Start(Sandbox sandbox, string tpm, string mountPoint, params string[] more) =>
        sandbox.Start(User.Root, [.. Words(sandbox, tpm, mountPoint), .. more]);

    private static string[] Words(Sandbox sandbox, string tpm, string mountPoint) =>
        [sandbox.Program, "mount", mountPoint, "--tpm", tpm, "--state-dir", StateFolder(sandbox, mountPoint)];

    /// <summary>Returns the place where a daemon of these tests keeps its state.</summary>
    public static string StateFolder(Sandbox sandbox, string mountPoint) =>
        sandbox.MakeRootsFolder("state-" + Path.GetFileName(mountPoint));

    /// <summary>
    /// Starts it as a user would who gives nothing but the TPM: where it mounts and keeps its state is its own choice.
    /// </summary>
    public static Daemon OfUser(Sandbox sandbox, User user, string home, string tpm) => new(
        sandbox,
        Path.Combine(home, "tpmfs"),
        user,
        sandbox.Start(
            user,
            [sandbox.Program, "mount", "--tpm", tpm],
            new Dictionary<string, string>
            {
                ["HOME"] = home,
                ["XDG_RUNTIME_DIR"] = home,
                ["XDG_STATE_HOME"] = Path.Combine(home, "state")
            }));

    /// <summary>Returns the memory that it has, in KiB.</summary>
    public long Memory() => KernelStatus("VmRSS");

    /// <summary>Returns the most memory that it has had so far, in KiB.</summary>
    public long PeakMemory() => KernelStatus("VmHWM");

    /// <summary>
    /// Counts the files that it has open, but for assemblies: .NET opens those when it first needs them, and never
    /// closes them.
    /// </summary>
    public int CountFiles() =>
        new DirectoryInfo($"/proc/{Id}/fd").EnumerateFileSystemInfos()
            .Count(file => file.LinkTarget is { } target && !target.EndsWith(".dll", StringComparison.Ordinal));

    /// <summary>Waits until it has printed a text: what it prints comes through a pipe, a little later.</summary>
    public void AwaitPrinted(string text) => Deadline.Poll(
        () => Printed.Contains(text, StringComparison.Ordinal), $"the text \"{text}\"", Describe);

    public void Send(int signal) => _process.Send(signal);

    public Outcome Wait() => _process.Wait(Deadline.Step);

    public string Describe() => _process.Describe();

    /// <summary>Stops it in order: exit code 0, and nothing is mounted any more.</summary>
    public void Stop(int signal = Signals.Term)
    {
        _process.Send(signal);
        Assert.True(Wait().ExitCode == 0, Describe());
        Assert.DoesNotContain(MountPoint, _sandbox.FuseMounts);
    }

    public void Dispose() => _process.Dispose();

    /// <summary>Reads a number of KiB from proc(5)'s status of the process.</summary>
    private long KernelStatus(string field) => long.Parse(
        File.ReadLines($"/proc/{Id}/status").First(line => line.StartsWith($"{field}:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
}
