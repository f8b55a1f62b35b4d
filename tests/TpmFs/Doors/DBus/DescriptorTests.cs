using Microsoft.Win32.SafeHandles;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>
/// Tests what descriptors do that a client sends over its connection. Regression: the kernel closed them in the thread
/// that received, or that closed the connection, and so one client stopped the daemon for as long as it liked.
/// </summary>
public sealed class DescriptorTests : IConversationKeeper, IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    private readonly LingeringDescriptor _lingering = new();
    private readonly ConversationContext _context = new(TimeProvider.System, Serilog.Core.Logger.None);
    private readonly Epoll _epoll;
    private readonly SafeFileHandle _client;
    private readonly Conversation _conversation;
    private readonly ClientSocket _connection;
    private bool _isForgotten;
    private bool _isLeft;

    /// <summary>Makes a connection over which the kernel passes descriptors, as all did before Linux 6.16.</summary>
    public DescriptorTests()
    {
        Assert.Equal(Errno.None, Epoll.Create(out _epoll));
        Assert.Equal(Errno.None, SocketCalls.Pair(out SafeFileHandle ours, out _client));
        Assert.Equal(Errno.None, SocketCalls.SetBlocking(ours, blocking: false));
        Assert.Equal(Errno.None, SocketCalls.ShowOutOfBand(ours));
        _conversation = Conversation.TryBegin(
            _context, TpmFileFixture.IdentityOf(1), TpmFileFixture.MaxCommandSize, client => new FakeSpace(client),
            this)!;
        _connection = new ClientSocket(
            1, ours, _conversation, SocketFixture.Caller, _epoll, _ => _isForgotten = true);
        Assert.Equal(Errno.None, _connection.Start());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_client_that_sends_a_descriptor_is_expelled_and_nobody_waits(bool isOutOfBand)
    {
        Assert.Equal(Errno.None, _lingering.Send(_client, isOutOfBand));
        AtOnce(() => _connection.Advance(FileChanges.Readable));
        AssertExpelled();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_connection_with_a_descriptor_in_it_is_closed_and_nobody_waits(bool isOutOfBand)
    {
        SocketFixture.Send(_client, TpmFileFixture.Command());
        Assert.Equal(Errno.None, _lingering.Send(_client, isOutOfBand));
        AtOnce(_conversation.Revoke);
        AtOnce(_connection.Close);
        AssertExpelled();
    }

    [Fact]
    public void A_connection_with_bytes_in_it_is_closed()
    {
        SocketFixture.Send(_client, [.. Enumerable.Repeat(TpmFileFixture.Command(), 1000).SelectMany(each => each)]);
        AtOnce(_connection.Close);
        Assert.True(_isForgotten);
        Assert.True(_isLeft);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_kernel_that_can_refuse_descriptors_does(bool isOutOfBand)
    {
        using var sockets = new SocketFixture();
        (_, SafeFileHandle client, Conversation conversation) = sockets.Connect(client => new FakeSpace(client));
        bool isRefused = _lingering.Send(client, isOutOfBand) == Errno.EPERM;
        Assert.Equal(OperatingSystem.IsOSPlatformVersionAtLeast("Linux", 6, 16), isRefused);
        SocketFixture.Until(() => isRefused || conversation.State == ConversationState.Ended);
    }

    public void Dispose()
    {
        _lingering.Dispose();
        _connection.Close();
        _client.Dispose();
        _epoll.Dispose();
        _context.Dispose();
    }

    void IConversationKeeper.Ended(Conversation conversation)
    {
    }

    void IConversationKeeper.Left(Conversation conversation) => _isLeft = true;

    private static void AtOnce(Action action) => Assert.True(Task.Run(action).Wait(s_limit), "it waits");

    /// <summary>The client sees the end, and the connection counts.</summary>
    private void AssertExpelled()
    {
        Assert.Equal(ConversationState.Ended, _conversation.State);
        Assert.Empty(SocketFixture.Receive(_client, 1));
        Assert.False(_isForgotten);
        Assert.False(_isLeft);
    }
}
