using Microsoft.Win32.SafeHandles;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>
/// Regression: all connections were one user's who made them first, and then neither another user nor root had one.
/// </summary>
public sealed class ConnectionShareTests : IDisposable
{
    private readonly SocketFixture _sockets = new(maxOpen: 40);

    public void Dispose() => _sockets.Dispose();

    [Fact]
    public void A_user_has_a_share_of_the_connections_and_root_a_reserve_and_what_is_closed_can_be_had_again()
    {
        List<ClientSocket> first = ConnectAll(1000, most: 100);
        Assert.Equal((20, 10), (first.Count, ConnectAll(1001, most: 100).Count));
        for (uint uid = 1002; ConnectAll(uid, most: 100).Count > 0; uid++)
        {
            // until nobody else has room
        }

        List<ClientSocket> roots = ConnectAll(0, most: 30);
        Assert.Equal(30, roots.Count);
        roots.ForEach(connection => connection.Close());
        first[..15].ForEach(connection => connection.Close());
        ConnectAll(1000, most: 1).Single().Close();
    }

    private List<ClientSocket> ConnectAll(uint uid, int most)
    {
        List<ClientSocket> all = [];
        while (all.Count < most)
        {
            Errno error = _sockets.TryConnect(
                client => new FakeSpace(client), uid, out ClientSocket? made, out SafeFileHandle _, out Conversation _);
            if (error.IsError)
            {
                Assert.Equal(Errno.ENFILE, error);
                break;
            }

            all.Add(made!);
        }

        return all;
    }
}
