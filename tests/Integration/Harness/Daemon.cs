using System.Reflection;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>A TpmFs that runs in a sandbox.</summary>
internal sealed class Daemon : IDisposable
{
    private readonly Sandbox _sandbox;
    private readonly ChildProcess _process;

    /// <summary>Starts it and waits until its node is there.</summary>
    public Daemon(Sandbox sandbox, string tpm, string mountPoint, User? user = null)
        : this(sandbox, mountPoint, Start(sandbox, tpm, mountPoint, user))
    {
        using ChildProcess ready = sandbox.Start(user ?? User.Root, ["sh", "-c", "until [ -e \"$0\" ]; do sleep 0.02; done", Node]);
        Deadline.Poll(() => ready.HasExited || _process.HasExited, $"{Node} is there", Describe);
        Assert.False(_process.HasExited, Describe());
    }

    private Daemon(Sandbox sandbox, string mountPoint, ChildProcess process) => (_sandbox, MountPoint, _process) = (sandbox, mountPoint, process);

    /// <summary>The program under test, as 'make build' leaves it.</summary>
    public static string Binary { get; } = typeof(Daemon).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(data => data.Key == "Daemon").Value!;

    public string MountPoint { get; }

    public string Node => Path.Combine(MountPoint, "rm0");

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Printed => _process.Printed;

    /// <summary>Starts a daemon that may well refuse to run; nothing is waited for.</summary>
    public static ChildProcess Start(Sandbox sandbox, string tpm, string mountPoint, User? user = null) =>
        sandbox.Start(
            user ?? User.Root,
            [sandbox.Program, "mount", mountPoint, "--tpm", tpm, "--state-dir", sandbox.MakeFolder("state-" + Path.GetFileName(mountPoint))]);

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
}
