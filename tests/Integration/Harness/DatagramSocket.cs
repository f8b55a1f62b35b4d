using System.Net.Sockets;
using System.Text;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>
/// A socket that takes messages of other processes and keeps them, in the service manager's place, or in the journal's.
/// </summary>
internal sealed class DatagramSocket : IDisposable
{
    private const int MaxMessage = 256 * 1024;

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly List<byte[]> _messages = [];

    public DatagramSocket(string path)
    {
        Path = path;
        _socket.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, (UnixFileMode)0b110_110_110);
        new Thread(Receive) { IsBackground = true }.Start();
    }

    public string Path { get; }

    /// <summary>Gets the datagrams that have come so far, the oldest first.</summary>
    public IReadOnlyList<byte[]> Messages
    {
        get
        {
            lock (_messages)
            {
                return [.. _messages];
            }
        }
    }

    /// <summary>The same as text.</summary>
    public IReadOnlyList<string> Texts => [.. Messages.Select(Encoding.UTF8.GetString)];

    public int Count(string text) => Texts.Count(message => message == text);

    public void Dispose() => _socket.Dispose();

    private void Receive()
    {
        byte[] buffer = new byte[MaxMessage];
        try
        {
            while (true)
            {
                int count = _socket.Receive(buffer);
                lock (_messages)
                {
                    _messages.Add(buffer[..count]);
                }
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // Disposed of.
        }
    }
}
