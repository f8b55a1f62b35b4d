using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Daemon.Tests.Fakes;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>
/// Regression: connections were served first come, first served, so that each command of a user waited for one of each
/// connection that another user had.
/// </summary>
public sealed class UserTurnTests : IDisposable
{
    private const uint Crowd = 1001;
    private const uint Single = 1002;

    private readonly SocketFixture _sockets = new();
    private readonly ConcurrentQueue<uint> _served = new(); // users, one for each command
    private readonly ManualResetEventSlim _goOn = new();
    private readonly ManualResetEventSlim _end = new();

    [Fact]
    public void A_user_with_one_connection_does_not_wait_for_all_those_of_another()
    {
        const int Connections = 200;
        int held = 0;
        foreach (ManualResetEventSlim until in new[] { _goOn, _end }) // one thread goes on, so the order is certain
        {
            Send(Connect(Crowd, () =>
            {
                Interlocked.Increment(ref held);
                until.Wait();
            }));
        }

        SocketFixture.Until(() => Volatile.Read(ref held) == 2);
        for (int i = 0; i < Connections; i++)
        {
            Send(Connect(Crowd, () => _served.Enqueue(Crowd)));
        }

        Send(Connect(Single, () => _served.Enqueue(Single)));
        _goOn.Set();
        SocketFixture.Until(() => _served.Count == Connections + 1);
        Assert.InRange(_served.ToList().IndexOf(Single), 0, 5);
    }

    [Fact]
    public void Connections_are_served_while_a_thread_is_held_up()
    {
        Send(Connect(Crowd, _goOn.Wait));
        SafeFileHandle[] clients = [.. Enumerable.Range(0, 20).Select(_ => Connect(Crowd, () => { }))];
        for (int round = 0; round < 50; round++)
        {
            Array.ForEach(clients, Send);
            Assert.All(clients, client => Assert.Equal([7], SocketFixture.Receive(client, 1)));
        }
    }

    public void Dispose()
    {
        _goOn.Set();
        _end.Set();
        _sockets.Dispose();
        _goOn.Dispose();
        _end.Dispose();
    }

    private static void Send(SafeFileHandle client) => SocketFixture.Send(client, TpmFileFixture.Command());

    private SafeFileHandle Connect(uint uid, Action served) =>
        _sockets.Connect(
            answered => new FakeSpace(answered)
            {
                OnSubmit = client =>
                {
                    served();
                    client.Completed([7]);
                },
            },
            uid).Client;
}
