using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>A peer on a swtpm's two sockets that does what a test says, for each data connection in turn.</summary>
internal sealed class FakeSwtpm : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly ConcurrentBag<Socket> _sockets = [];
    private readonly BlockingCollection<byte[]> _controlCommands = [];
    private readonly Socket _data;
    private readonly Socket? _control;

    /// <param name="control">Answers a control command, given whole; null is silence.</param>
    public FakeSwtpm(Func<byte[], byte[]?>? control, int backlog = 16)
    {
        DataPath = _directory.File("s");
        _data = Listen(DataPath, backlog);
        if (control is not null)
        {
            _control = Listen(DataPath + ".ctrl", 16);
            _ = Task.Run(() => ServeControl(control));
        }
    }

    /// <summary>Has every capability, and takes every command.</summary>
    public static Func<byte[], byte[]?> Obliging { get; } =
        command => BinaryPrimitives.ReadUInt32BigEndian(command) == 1 ? [0, 0, 0, 0, 0, 0, 0xFF, 0xFF] : [0, 0, 0, 0];

    public string DataPath { get; }

    /// <summary>
    /// Gets the commands that the control channel was sent, except the questions for its capabilities.
    /// </summary>
    public BlockingCollection<byte[]> ControlCommands => _controlCommands;

    public ITpmTransport CreateTransport() => TestTransport.Create($"swtpm:path={DataPath}");

    /// <summary>Serves the next data connection.</summary>
    public Task Serve(Func<Socket, Task> script) => Task.Run(async () =>
    {
        Socket socket = await _data.AcceptAsync();
        _sockets.Add(socket);
        await script(socket);
    });

    /// <summary>Serves the next data connection: every command succeeds.</summary>
    public Task ServeSuccess() => Serve(async socket =>
    {
        while (true)
        {
            await Answer(socket);
        }
    });

    /// <summary>Receives one command of a data connection, and answers that it succeeded.</summary>
    /// <returns>The command.</returns>
    public static async Task<byte[]> Answer(Socket socket)
    {
        byte[] command = await ReceiveCommand(socket);
        await socket.SendAsync(TpmClient.Response(TpmRc.Success));
        return command;
    }

    /// <summary>Waits for the next command of the control channel.</summary>
    public byte[] NextControlCommand()
    {
        Assert.True(_controlCommands.TryTake(out byte[]? command, TpmClient.Patience), "No control command came.");
        return command;
    }

    /// <summary>Waits for locality 0 to be set, and for a cancel after it.</summary>
    public void ExpectLocalityAndCancel()
    {
        Assert.Equal([0, 0, 0, 5, 0], NextControlCommand());
        Assert.Equal([0, 0, 0, 9], NextControlCommand());
    }

    public static async Task<byte[]> ReceiveCommand(Socket socket)
    {
        byte[] header = new byte[10];
        await ReceiveExactly(socket, header);
        byte[] command = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(2))];
        header.CopyTo(command, 0);
        await ReceiveExactly(socket, command.AsMemory(10));
        return command;
    }

    public void Dispose()
    {
        _data.Dispose();
        _control?.Dispose();
        foreach (Socket socket in _sockets)
        {
            socket.Dispose();
        }

        _directory.Dispose();
    }

    private static async Task ReceiveExactly(Socket socket, Memory<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = await socket.ReceiveAsync(buffer);
            if (count == 0)
            {
                throw new EndOfStreamException();
            }

            buffer = buffer[count..];
        }
    }

    private static Socket Listen(string path, int backlog)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen(backlog);
        return socket;
    }

    // As swtpm does: one connection at a time, and one read is one command.
    private async Task ServeControl(Func<byte[], byte[]?> control)
    {
        byte[] buffer = new byte[256];
        while (true)
        {
            Socket socket = await _control!.AcceptAsync();
            _sockets.Add(socket);
            try
            {
                await ServeControl(socket, control, buffer);
            }
            catch (SocketException)
            {
                // The client has not waited for the answer; swtpm goes on with the next one too.
            }

            socket.Dispose();
        }
    }

    private async Task ServeControl(Socket socket, Func<byte[], byte[]?> control, byte[] buffer)
    {
        int count;
        while ((count = await socket.ReceiveAsync(buffer)) > 0)
        {
            byte[] command = buffer[..count];
            if (BinaryPrimitives.ReadUInt32BigEndian(command) != 1)
            {
                _controlCommands.Add(command);
            }

            if (control(command) is { } answer)
            {
                await socket.SendAsync(answer);
            }
        }
    }
}
