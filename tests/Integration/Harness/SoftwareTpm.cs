using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A swtpm of the test's own, on unix sockets or, where a client knows nothing else, on two TCP ports.
/// </summary>
internal sealed class SoftwareTpm : IDisposable
{
    private readonly Sandbox _sandbox;
    private readonly string _folder;
    private readonly bool _closes;
    private ChildProcess _process;

    /// <param name="sandbox">The sandbox that it runs in.</param>
    /// <param name="name">The name of its folder.</param>
    /// <param name="twin">
    /// A TPM that this one begins as a copy of, with the same seeds and so the same primary keys.
    /// </param>
    /// <param name="tcp">True when it listens on TCP.</param>
    /// <param name="closes">
    /// True when it closes its data connection after each response: by '-p PORT' on TCP, else by ',disconnect'.
    /// </param>
    public SoftwareTpm(Sandbox sandbox, string name, SoftwareTpm? twin = null, bool tcp = false, bool closes = false)
    {
        _closes = closes;
        _sandbox = sandbox;
        _folder = sandbox.MakeRootsFolder(name);
        Directory.CreateDirectory(State);
        if (twin is not null)
        {
            File.Copy(Path.Combine(twin.State, "tpm2-00.permall"), Path.Combine(State, "tpm2-00.permall"));
        }

        Port = tcp ? FindTwoPorts() : null;
        _process = Start(Answers);
    }

    /// <summary>The data socket; control is at the same path with ".ctrl" behind it.</summary>
    public string Socket => Path.Combine(_folder, "socket");

    /// <summary>
    /// The port of the data channel on 127.0.0.1, where it listens on TCP; control is at the next one.
    /// </summary>
    public int? Port { get; }

    /// <summary>Gets the TCTI by which TSS clients reach this TPM.</summary>
    public string Tcti => Port is int port ? $"swtpm:host=127.0.0.1,port={port}" : $"swtpm:path={Socket}";

    /// <summary>utime of proc_pid_stat(5), in hundredths of a second.</summary>
    private long ProcessorTime =>
        long.Parse(
            File.ReadAllText($"/proc/{_process.Id}/stat").Split(')')[^1].Split(' ')[12], CultureInfo.InvariantCulture);

    private string State => Path.Combine(_folder, "state");

    public TpmConnection Connect() =>
        TpmConnection.To(
            Port is int port ? new IPEndPoint(IPAddress.Loopback, port) : new UnixDomainSocketEndPoint(Socket));

    public void Send(int signal) => _process.Send(signal);

    /// <summary>
    /// Waits until it computes something, or the caller knows that it is done: on a busy machine a command may be over
    /// before it is looked for.
    /// </summary>
    public void WaitUntilBusy(Func<bool> isDone)
    {
        long before = ProcessorTime;
        Deadline.Poll(() => ProcessorTime > before || isDone(), "swtpm computes");
    }

    /// <summary>As when the power goes: nothing is saved but what was in NV.</summary>
    public void Kill()
    {
        _process.Dispose();
        File.Delete(Socket);
        File.Delete(Socket + ".ctrl");
    }

    /// <summary>
    /// Waits until the TPM can be reached again, without asking it anything: it serves one client, and the client that
    /// lost it may be the quickest to have it again.
    /// </summary>
    public void Restart() => _process = Start(Listens);

    public void Dispose() => _process.Dispose();

    private ChildProcess Start(Func<bool> isUp)
    {
        string[] sockets = (Port, _closes) switch
        {
            (int port, true) => ["-p", $"{port}", "--ctrl", $"type=tcp,port={port + 1}"],
            (int port, false) =>
                ["--server", $"type=tcp,bindaddr=127.0.0.1,port={port}", "--ctrl",
                    $"type=tcp,bindaddr=127.0.0.1,port={port + 1}"],
            (null, true) =>
                ["--server", $"type=unixio,path={Socket},disconnect", "--ctrl", $"type=unixio,path={Socket}.ctrl"],
            _ => ["--server", $"type=unixio,path={Socket}", "--ctrl", $"type=unixio,path={Socket}.ctrl"],
        };
        ChildProcess process = _sandbox.Start(
            User.Root,
            ["swtpm", "socket", "--tpm2", "--tpmstate", $"dir={State}", "--flags", "not-need-init,startup-clear",
                .. sockets]);
        Deadline.Poll(() => process.HasExited || isUp(), "a swtpm that answers", process.Describe);
        Assert.False(process.HasExited, process.Describe());
        return process;
    }

    private bool Answers() => Listens(connection => connection.Transact(Tpm2.GetRandom(1)).Succeeded());

    private bool Listens() => Listens(_ => { });

    private bool Listens(Action<TpmConnection> use)
    {
        try
        {
            using TpmConnection connection = Connect();
            use(connection);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static int FindTwoPorts()
    {
        for (int attempt = 0; attempt < 100; attempt++)
        {
            using var first = new TcpListener(IPAddress.Loopback, 0);
            first.Start();
            int port = ((IPEndPoint)first.LocalEndpoint).Port;
            try
            {
                using var second = new TcpListener(IPAddress.Loopback, port + 1);
                second.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken by somebody else: try another pair.
            }
        }

        throw new InvalidOperationException("No two neighbouring TCP ports are free.");
    }
}
