using System.Net.Sockets;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// Stands between TpmFs and swtpm. It counts the commands, can hold them up as a slow TPM would, one that can be told
/// to give up what it does, can cut the connection, and asks the TPM itself between two commands of the daemon, which
/// nobody else can: swtpm serves one data connection only.
/// </summary>
internal sealed class TpmProxy : ITpmChannel, IDisposable
{
    /// <summary>TPM_RC_CANCELED.</summary>
    private static readonly byte[] s_cancelled = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 9, 9];

    private readonly SoftwareTpm _tpm;
    private readonly Socket _data;
    private readonly Socket _control;
    private readonly Lock _lock = new();
    private readonly List<Socket> _clients = [];
    private readonly List<TpmCc> _commands = [];
    private readonly List<TpmHold> _holds = [];
    private readonly Lock _upstreamLock = new();
    private TpmConnection? _upstream;

    public TpmProxy(Sandbox sandbox, SoftwareTpm tpm)
    {
        _tpm = tpm;
        Socket = sandbox.PathOf("proxy");
        _data = Listen(Socket, ServeData);
        _control = Listen(Socket + ".ctrl", ServeControl);
    }

    /// <summary>Gets the place where TpmFs is to find its TPM.</summary>
    public string Socket { get; }

    /// <summary>The codes of all commands that have reached the proxy, in order.</summary>
    public IReadOnlyList<TpmCc> Commands
    {
        get
        {
            lock (_lock)
            {
                return [.. _commands];
            }
        }
    }

    public int Count(TpmCc code) => Commands.Count(command => command == code);

    /// <summary>
    /// From now on the next command with this code does not reach the TPM before the hold is released.
    /// </summary>
    /// <param name="code">The command's code.</param>
    /// <param name="canBeGivenUp">True when a cancel ends it.</param>
    public TpmHold Hold(TpmCc code, bool canBeGivenUp = false)
    {
        var hold = new TpmHold(code, canBeGivenUp);
        lock (_lock)
        {
            _holds.Add(hold);
        }

        return hold;
    }

    /// <summary>Releases all that is held, or is still to be held.</summary>
    public void ReleaseAll()
    {
        lock (_lock)
        {
            _holds.ForEach(hold => hold.Release());
            _holds.Clear();
        }
    }

    /// <summary>Cuts all connections of TpmFs, in the middle of whatever they carry.</summary>
    public void Cut()
    {
        lock (_lock)
        {
            _clients.ForEach(client => client.Shutdown(SocketShutdown.Both));
            _clients.Clear();
        }
    }

    /// <summary>Asks the TPM itself, when no command of the daemon is in it.</summary>
    public byte[] Transact(byte[] command)
    {
        lock (_upstreamLock)
        {
            try
            {
                _upstream ??= _tpm.Connect();
                return _upstream.Transact(command);
            }
            catch (Exception problem) when (problem is SocketException or IOException)
            {
                _upstream?.Dispose();
                _upstream = null;
                throw new IOException("The TPM is gone.", problem);
            }
        }
    }

    public void Dispose()
    {
        _data.Dispose();
        _control.Dispose();
        ReleaseAll();
        lock (_lock)
        {
            _clients.ForEach(client => client.Dispose());
        }

        _upstream?.Dispose();
    }

    private Socket Listen(string path, Action<Socket> serve)
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        StartThread(() =>
        {
            while (true)
            {
                Socket client = listener.Accept();
                lock (_lock)
                {
                    _clients.Add(client);
                }

                StartThread(() => serve(client));
            }
        });
        return listener;
    }

    private void ServeData(Socket client)
    {
        using var connection = new TpmConnection(client);
        try
        {
            while (connection.TryReceive() is { } command)
            {
                Serve(connection, command);
            }
        }
        finally
        {
            // so that no cut finds a socket that is closed
            lock (_lock)
            {
                _clients.Remove(client);
            }
        }
    }

    private void Serve(TpmConnection connection, byte[] command)
    {
        TpmHeader.TryRead(command, out TpmHeader header);
        TpmHold? hold;
        lock (_lock)
        {
            _commands.Add(header.CommandCode);
            hold = _holds.Find(one => one.Code == header.CommandCode && one.TryTake());
        }

        bool isGivenUp = hold?.Wait() == false;
        connection.Send(isGivenUp ? s_cancelled : Transact(command));
    }

    private void ServeControl(Socket client)
    {
        using var upstream = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        upstream.Connect(new UnixDomainSocketEndPoint(_tpm.Socket + ".ctrl"));
        StartThread(() => Copy(upstream, client, _ => { }));
        Copy(client, upstream, CancelIfAsked);
    }

    /// <summary>CMD_CANCEL_TPM_CMD of swtpm's control channel ends a command that is held.</summary>
    private void CancelIfAsked(byte[] request)
    {
        if (request is [0, 0, 0, 9, ..])
        {
            lock (_lock)
            {
                _holds.ForEach(hold => hold.Cancel());
            }
        }
    }

    private static void Copy(Socket from, Socket to, Action<byte[]> see)
    {
        byte[] buffer = new byte[4096];
        while (from.Receive(buffer) is > 0 and int count)
        {
            see(buffer[..count]);
            to.Send(buffer.AsSpan(0, count));
        }

        to.Shutdown(SocketShutdown.Both);
    }

    /// <summary>A thread that ends when either side of its connection is gone.</summary>
    private static void StartThread(Action body) => new Thread(() =>
    {
        try
        {
            body();
        }
        catch (Exception end) when (end is SocketException or IOException or ObjectDisposedException
            or TimeoutException)
        {
            // One of the two closed; the other one is told by the end of its connection. A command that is held for
            // ever is the matter of the test that holds it, not of those after it.
        }
    })
    { IsBackground = true }.Start();
}
