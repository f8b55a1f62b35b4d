using System.Globalization;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A TpmFs under a service manager that keeps its descriptors and starts it again when it is killed
/// (clients/keeper.py).
/// </summary>
internal sealed class KeptService : IDisposable
{
    private const string OrderVariable = "TPMFS_KILL_ORDER";

    private readonly ChildProcess _keeper;
    private readonly string _order;
    private volatile int _started;
    private volatile int _ready;
    private volatile int _ended;
    private volatile int _pid;
    private volatile int _serving;

    /// <summary>Starts it and waits until its node is there.</summary>
    /// <param name="sandbox">The sandbox that it runs in.</param>
    /// <param name="tpm">The way to the TPM.</param>
    /// <param name="mountPoint">The mount point.</param>
    /// <param name="environment">Variables to add to the service's environment.</param>
    /// <param name="program">The program; the one under test unless said otherwise.</param>
    /// <param name="more">More words of the command line.</param>
    public KeptService(
        Sandbox sandbox, string tpm, string mountPoint, IReadOnlyDictionary<string, string>? environment = null,
        string? program = null, params string[] more)
    {
        (Sandbox, MountPoint, _order) = (sandbox, mountPoint, sandbox.PathOf("kill-order"));
        _keeper = sandbox.Start(
            User.Root,
            [
                "/usr/bin/python3", Path.Combine(sandbox.Scripts, "clients", "keeper.py"), sandbox.PathOf("notify"),
                program ?? sandbox.Program, "mount", mountPoint, "--tpm", tpm,
                "--state-dir", Daemon.StateFolder(sandbox, mountPoint), .. more,
            ],
            new Dictionary<string, string>(environment ?? new Dictionary<string, string>())
            {
                [OrderVariable] = _order,
            },
            onLine: Hear);
        AwaitReady(1);
    }

    public Sandbox Sandbox { get; }

    public string MountPoint { get; }

    public string Node => Path.Combine(MountPoint, "rm0");

    /// <summary>Gets the number of processes of the service that were started so far.</summary>
    public int Started => _started;

    /// <summary>Gets the number of them that have said that they serve.</summary>
    public int Ready => _ready;

    /// <summary>Gets the number of them that have ended.</summary>
    public int Ended => _ended;

    /// <summary>The process that was started last.</summary>
    public int Id => _pid;

    public string Printed => _keeper.Printed;

    /// <summary>Kills the process that runs; the next one is started at once.</summary>
    public void Kill() => Tell("kill");

    public void Send(int signal) => Tell($"kill {signal}");

    /// <summary>
    /// Has the process that runs, or else the next one, die right after its n-th write to a mirror from now on. For a
    /// program with the kill switch.
    /// </summary>
    public void DieAtWrite(int number)
    {
        string written = _order + ".new";
        File.WriteAllText(written, string.Create(CultureInfo.InvariantCulture, $"{number}"));
        File.Move(written, _order, overwrite: true);
    }

    /// <summary>Closes a descriptor that the service manager keeps.</summary>
    public void Forget(string name) => Tell($"forget {name}");

    /// <summary>Has a mirror claim to be of another format.</summary>
    public void SetFormat(string mirror, uint format) => Tell($"format {mirror} {format}");

    /// <summary>Limits the length of files in the processes that are started from now on; -1 for no limit.</summary>
    public void LimitFiles(long bytes) => Tell($"limit {bytes}");

    /// <summary>Starts no process until <see cref="Release"/>.</summary>
    public void Hold() => Tell("hold");

    public void Release() => Tell("release");

    public void AwaitStarted(int count) =>
        Deadline.Poll(() => _started >= count || _keeper.HasExited, $"start number {count}", Describe);

    public void AwaitEnded(int count) =>
        Deadline.Poll(() => _ended >= count || _keeper.HasExited, $"end number {count}", Describe);

    /// <summary>Waits until a process serves, the <paramref name="count"/>th that does.</summary>
    public void AwaitReady(int count)
    {
        Deadline.Poll(() => _ready >= count || _keeper.HasExited, $"daemon number {count} that serves", Describe);
        Assert.False(_keeper.HasExited, Describe());
    }

    /// <summary>Waits until the process that was started last serves.</summary>
    public void AwaitServing() => Deadline.Poll(
        () => (_serving == _pid && _ended < _started) || _keeper.HasExited, "a daemon that serves", Describe);

    /// <summary>
    /// Gets the number of times that a process has ended a command under way at the TPM, and gone on with its objects
    /// and sessions.
    /// </summary>
    public int Adoptions => Printed.Split(" go on.").Length - 1;

    /// <summary>Kills the process, and waits until the next one serves.</summary>
    public void Replace()
    {
        int ready = _ready;
        Kill();
        AwaitReady(ready + 1);
    }

    /// <summary>Waits until a process has logged a text.</summary>
    public void AwaitPrinted(string text) => Deadline.Poll(
        () => Printed.Contains(text, StringComparison.Ordinal), $"the text \"{text}\"", Describe);

    public string Describe() => _keeper.Describe();

    public void Dispose()
    {
        _keeper.Input.Close(); // The keeper ends the service.
        _keeper.Wait(Deadline.Step);
        _keeper.Dispose();
    }

    private void Tell(string order)
    {
        _keeper.Input.WriteLine(order);
        _keeper.Input.Flush();
    }

    private void Hear(string line)
    {
        string[] words = line.Split(' ');
        switch (words[0])
        {
            case "started":
                _pid = int.Parse(words[1], CultureInfo.InvariantCulture);
                _started++;
                break;
            case "ready":
                _serving = int.Parse(words[1], CultureInfo.InvariantCulture);
                _ready++;
                break;
            case "ended":
                _ended++;
                break;
        }
    }
}
