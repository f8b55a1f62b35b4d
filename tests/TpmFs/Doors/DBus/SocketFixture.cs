using Microsoft.Win32.SafeHandles;
using Tmds.DBus.Protocol;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Doors.DBus;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>Connections, with the threads that serve them.</summary>
internal sealed class SocketFixture : IConversationKeeper, IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private readonly ConversationContext _context = new(TimeProvider.System, Serilog.Core.Logger.None);
    private readonly List<SafeFileHandle> _clients = [];
    private int _left;

    public SocketFixture(int maxOpen = 1000)
    {
        Assert.Equal(Errno.None, SocketThreads.Start(Serilog.Core.Logger.None, out SocketThreads? threads, maxOpen));
        Threads = threads!;
    }

    public SocketThreads Threads { get; }

    public static BusCaller Caller { get; } = new(new DBusConnection("unix:path=/none"), ":1.1", 1000, 4711, [100]);

    /// <summary>Gets the number of conversations whose clients are gone.</summary>
    public int Left => Volatile.Read(ref _left);

    /// <summary>Makes a connection of a user to a space.</summary>
    public (ClientSocket Connection, SafeFileHandle Client, Conversation Conversation) Connect(
        Func<ISpaceClient, Space> openSpace, uint uid = 1000)
    {
        Assert.Equal(
            Errno.None,
            TryConnect(
                openSpace, uid, out ClientSocket? made, out SafeFileHandle client, out Conversation conversation));
        return (made!, client, conversation);
    }

    /// <summary>Makes a connection of a user to a space, where the user may have one more.</summary>
    public Errno TryConnect(
        Func<ISpaceClient, Space> openSpace, uint uid, out ClientSocket? made, out SafeFileHandle client,
        out Conversation conversation)
    {
        ConversationIdentity identity = TpmFileFixture.IdentityOf(_context.NextId()) with
        {
            Client = new Client(uid, 4711, "test"),
        };
        conversation = Conversation.TryBegin(_context, identity, TpmFileFixture.MaxCommandSize, openSpace, this)!;
        Errno error = Threads.TryConnect(conversation, Caller, out made, out client);
        _clients.Add(client);
        return error;
    }

    public static void Send(SafeFileHandle client, byte[] data)
    {
        Assert.Equal(Errno.None, SocketCalls.Send(client, data, out int count));
        Assert.Equal(data.Length, count);
    }

    /// <summary>Receives so many bytes, or fewer at the end.</summary>
    public static byte[] Receive(SafeFileHandle client, int size)
    {
        byte[] received = new byte[size];
        int have = 0;
        while (have < size)
        {
            Assert.Equal(Errno.None, Polling.Wait(client, (int)s_limit.TotalMilliseconds, out bool isReady));
            Assert.True(isReady, "nothing came");
            if (SocketCalls.Receive(client, received.AsSpan(have), out int count).IsError || count == 0)
            {
                break;
            }

            have += count;
        }

        return received[..have];
    }

    /// <summary>Waits for what another thread does.</summary>
    public static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, s_limit));

    public void Dispose()
    {
        Threads.Dispose();
        _clients.ForEach(client => client.Dispose());
        _context.Dispose();
    }

    void IConversationKeeper.Ended(Conversation conversation)
    {
    }

    void IConversationKeeper.Left(Conversation conversation) => Interlocked.Increment(ref _left);
}
