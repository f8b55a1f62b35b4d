using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Daemon.Tests.Fakes;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>
/// Regression: with epoll(7) a client could register its connection millions of times. Each of its commands then held
/// up the thread that received it, and the thread that answered it, for half a second.
/// </summary>
public sealed partial class CrowdedSocketTests : IDisposable
{
    private const int Crowd = 300; // squared, it makes a wake-up that takes several milliseconds

    private readonly SocketFixture _sockets = new();
    private readonly List<IDisposable> _opened = [];
    private readonly SafeFileHandle _client;
    private readonly Conversation _conversation;
    private FakeSpace? _space;

    public CrowdedSocketTests() =>
        (_, _client, _conversation) = _sockets.Connect(client => _space = new FakeSpace(client));

    [Fact]
    public void A_client_that_registered_its_connection_very_often_is_expelled_by_its_answers()
    {
        _space!.OnSubmit = client => client.Completed([7]);
        Register(FileChanges.Readable);
        int commands = SendAll(_ => TpmFileFixture.Command());
        Assert.InRange(commands, 2, 6);
    }

    [Fact]
    public void A_client_that_registered_its_connection_very_often_is_expelled_by_what_it_sends()
    {
        Register(FileChanges.Writable);
        byte[] command = TpmFileFixture.Command(200);
        int sent = SendAll(i => [command[i]]);
        Assert.InRange(sent, 2, 20);
        Assert.Empty(_space!.Submitted);
    }

    [Fact]
    public void A_client_that_registered_its_connection_a_few_times_keeps_it()
    {
        Register(FileChanges.Readable, crowd: 10);
        _space!.OnSubmit = client => client.Completed([7]);
        for (int commands = 0; commands < 200; commands++)
        {
            SocketFixture.Send(_client, TpmFileFixture.Command());
            Assert.Equal([7], SocketFixture.Receive(_client, 1));
        }
    }

    public void Dispose()
    {
        _sockets.Dispose();
        _opened.ForEach(each => each.Dispose());
    }

    /// <summary>Sends until the connection ends, and waits each time for what comes of it.</summary>
    /// <returns>The number of times that it sent.</returns>
    private int SendAll(Func<int, byte[]> part)
    {
        int sent = 0;
        while (sent < 100 && !SocketCalls.Send(_client, part(sent), out _).IsError)
        {
            sent++;
            SpinWait.SpinUntil(
                () => _conversation.State == ConversationState.Ended || _space!.Submitted.Count == sent,
                TimeSpan.FromMilliseconds(200));
        }

        SocketFixture.Until(() => _sockets.Left == 1);
        return sent;
    }

    private void Register(FileChanges wanted, int crowd = Crowd)
    {
        var duplicates = Enumerable.Range(0, crowd)
            .Select(_ => new SafeFileHandle(Duplicate(_client), ownsHandle: true)).ToList();
        _opened.AddRange(duplicates);
        for (uint i = 0; i < crowd; i++)
        {
            Assert.Equal(Errno.None, Epoll.Create(out Epoll epoll));
            _opened.Add(epoll);
            duplicates.ForEach(each => Assert.Equal(Errno.None, epoll.Add(each, 1, wanted)));
        }
    }

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(SafeFileHandle file);
}
