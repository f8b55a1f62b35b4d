namespace TpmFs.Integration.Tests.Harness;

/// <summary>A TpmFs on a software TPM, with the proxy between the two, and the same TPM once more without TpmFs.</summary>
public sealed class Mount : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    public Mount()
    {
        try
        {
            Sandbox = Own(new Sandbox());
            Tpm = Own(new SoftwareTpm(Sandbox, "tpm"));
            Bare = Own(new SoftwareTpm(Sandbox, "bare", twin: Tpm));
            Proxy = Own(new TpmProxy(Sandbox, Tpm));
            Daemon = Own(new Daemon(Sandbox, $"swtpm:path={Proxy.Socket}", Sandbox.MakeFolder("mnt")));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal Sandbox Sandbox { get; }

    /// <summary>The TPM below TpmFs.</summary>
    internal SoftwareTpm Tpm { get; }

    /// <summary>Its twin, to ask what a TPM answers by itself.</summary>
    internal SoftwareTpm Bare { get; }

    internal TpmProxy Proxy { get; }

    internal Daemon Daemon { get; }

    internal string Node => Daemon.Node;

    public void Dispose()
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
