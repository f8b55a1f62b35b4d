using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A TpmFs on a software TPM, with the proxy between the two, and the same TPM once more without TpmFs.
/// </summary>
public class Mount : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    public Mount()
        : this(null)
    {
    }

    /// <param name="configuration">The content of the daemon's configuration file; null for none.</param>
    /// <param name="hasBus">True when there is to be a message bus for the daemon and its clients.</param>
    private protected Mount(string? configuration, bool hasBus = false)
    {
        try
        {
            Sandbox = Own(new Sandbox());
            using (var original = new SoftwareTpm(Sandbox, "original"))
            {
                Tpm = Own(new SoftwareTpm(Sandbox, "tpm", twin: original));
                Bare = Own(new SoftwareTpm(Sandbox, "bare", twin: original));
            }

            Proxy = Own(new TpmProxy(Sandbox, Tpm));
            Bus = hasBus ? Own(new MessageBus(Sandbox, "bus")) : null;
            Daemon = Own(
                Daemon.Through(
                    Sandbox, Bus?.Words ?? [], $"swtpm:path={Proxy.Socket}", Sandbox.MakeFolder("mnt"),
                    ConfigurationFile(configuration)));
            FillReserve();
        }
        catch
        {
            DisposeParts();
            throw;
        }
    }

    internal Sandbox Sandbox { get; }

    /// <summary>The TPM below TpmFs.</summary>
    internal SoftwareTpm Tpm { get; }

    /// <summary>Its twin, to ask what a TPM answers by itself.</summary>
    internal SoftwareTpm Bare { get; }

    internal TpmProxy Proxy { get; }

    /// <summary>The message bus, where there is one.</summary>
    internal MessageBus? Bus { get; }

    internal Daemon Daemon { get; }

    internal string Node => Daemon.Node;

    /// <summary>The daemon must end in order, whatever the tests have done to it.</summary>
    public void Dispose()
    {
        try
        {
            EndClients();
            Daemon.Stop();
        }
        finally
        {
            DisposeParts();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Ends what else the fixture has started, while the daemon still serves.</summary>
    private protected virtual void EndClients()
    {
    }

    /// <summary>The words of the command line that name a file of this text.</summary>
    private string[] ConfigurationFile(string? configuration)
    {
        if (configuration is null)
        {
            return [];
        }

        string file = Path.Combine(Sandbox.MakeRootsFolder("configuration"), "tpmfs.json");
        File.WriteAllText(file, configuration);
        return ["--config", file];
    }

    /// <summary>
    /// Gives the daemon commands until its reserve of random bytes is full. The daemon asks the TPM for a few of them
    /// after each command of a client; tests that count or hold the TPM's commands would take those for their own.
    /// </summary>
    private void FillReserve()
    {
        const int Bytes = 1024, BytesAtOnce = 32;
        using var agent = new Agent(Sandbox);
        Opener opener = agent.Open(Node);
        Deadline.Poll(
            () =>
            {
                opener.Transact(Tpm2.ReadClock()).Succeeded();
                return Proxy.Count(TpmCc.GetRandom) >= Bytes / BytesAtOnce;
            },
            "a reserve of random bytes that is full", Daemon.Describe);
    }

    private void DisposeParts()
    {
        for (int i = _parts.Count - 1; i >= 0; i--)
        {
            _parts[i].Dispose();
        }
    }

    private T Own<T>(T part)
        where T : IDisposable
    {
        _parts.Add(part);
        return part;
    }
}
