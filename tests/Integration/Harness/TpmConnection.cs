using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using TpmFs.Tpm.Wire;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>A thing that answers TPM commands: a bare TPM, or a node of TpmFs.</summary>
internal interface ITpmChannel
{
    byte[] Transact(byte[] command);
}

/// <summary>Commands and responses on a stream socket, as swtpm speaks it.</summary>
internal sealed class TpmConnection(Socket socket) : ITpmChannel, IDisposable
{
    public static TpmConnection To(EndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(address);
            return new TpmConnection(socket);
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }

    public byte[] Transact(byte[] command)
    {
        Send(command);
        return TryReceive() ?? throw new IOException("The TPM closed the connection.");
    }

    public void Send(byte[] message)
    {
        int sent = 0;
        while (sent < message.Length)
        {
            sent += socket.Send(message.AsSpan(sent));
        }
    }

    /// <summary>The next whole message, or null at the end of the connection.</summary>
    public byte[]? TryReceive()
    {
        byte[] header = new byte[TpmHeader.Length];
        if (!TryFill(header))
        {
            return null;
        }

        byte[] message = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(2))];
        header.CopyTo(message, 0);
        return TryFill(message.AsSpan(TpmHeader.Length)) ? message : null;
    }

    public void Dispose() => socket.Dispose();

    private bool TryFill(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = socket.Receive(buffer);
            if (count == 0)
            {
                return false;
            }

            buffer = buffer[count..];
        }

        return true;
    }
}
