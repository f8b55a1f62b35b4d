using Microsoft.Win32.SafeHandles;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Doors.DBus;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>One connection, whose TPM is the test.</summary>
public sealed class ClientSocketTests : IDisposable
{
    private readonly SocketFixture _sockets = new();
    private readonly FakeSpace _space;
    private readonly ClientSocket _connection;
    private readonly SafeFileHandle _client;
    private readonly Conversation _conversation;

    public ClientSocketTests()
    {
        FakeSpace? space = null;
        (_connection, _client, _conversation) = _sockets.Connect(client => space = new FakeSpace(client));
        _space = space!;
    }

    [Fact]
    public void A_command_reaches_the_space_and_its_answer_the_client()
    {
        Submit();
        Assert.Equal(1, _space.Lent);
        _space.Answer([1, 2, 3]);
        Assert.Equal([1, 2, 3], SocketFixture.Receive(_client, 3));
    }

    [Fact]
    public void The_next_command_is_read_when_the_answer_is_sent()
    {
        SocketFixture.Send(_client, [.. TpmFileFixture.Command(12), .. TpmFileFixture.Command(13)]);
        SocketFixture.Until(() => _space.Submitted.Count == 1);
        SocketFixture.Send(_client, TpmFileFixture.Command(14));
        for (int i = 0; i < 3; i++)
        {
            SocketFixture.Until(() => _space.Submitted.Count == i + 1);
            Assert.Equal(12 + i, _space.Submitted[i].Length);
            _space.Answer((byte)i);
            Assert.Equal([(byte)i], SocketFixture.Receive(_client, 1));
        }
    }

    [Fact]
    public void An_answer_that_comes_while_the_command_is_handed_in_is_sent()
    {
        _space.OnSubmit = client => client.Completed([7]);
        SocketFixture.Send(_client, [.. TpmFileFixture.Command(), .. TpmFileFixture.Command()]);
        Assert.Equal([7, 7], SocketFixture.Receive(_client, 2));
    }

    [Fact]
    public void A_command_without_a_response_is_answered_as_an_error_of_input_and_output()
    {
        Submit();
        _space.Fail(SpaceFailure.TransportLost);
        Assert.Equal([0x80, 0x01, 0, 0, 0, 10, 0, 0x0B, 0, 0x0A], SocketFixture.Receive(_client, 10));
    }

    [Fact]
    public void A_command_that_is_too_large_is_answered_and_the_next_one_taken()
    {
        SocketFixture.Send(_client, TpmFileFixture.Command(TpmFileFixture.MaxCommandSize + 1));
        Assert.Equal([0x80, 0x01, 0, 0, 0, 10, 0, 0x0B, 1, 0x42], SocketFixture.Receive(_client, 10));
        Submit();
    }

    [Fact]
    public void A_client_that_goes_while_its_command_runs_ends_the_conversation_at_once()
    {
        Submit();
        _client.Dispose();
        SocketFixture.Until(() => _sockets.Left == 1);
        Assert.Equal(1, _space.Closed);
        Assert.Null(_sockets.Threads.Find(_connection.Number));
        _space.Answer([1]);
    }

    [Fact]
    public void A_client_that_will_send_no_more_gets_its_answer_and_then_the_end()
    {
        Submit();
        using var socket = new System.Net.Sockets.Socket(
            new System.Net.Sockets.SafeSocketHandle(_client.DangerousGetHandle(), ownsHandle: false));
        socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        _space.Answer([1]);
        Assert.Equal([1], SocketFixture.Receive(_client, 2));
        SocketFixture.Until(() => _sockets.Left == 1);
    }

    [Fact]
    public void A_client_that_does_not_read_has_one_answer_kept_and_gets_all_in_the_end()
    {
        const int Commands = 200;
        byte[] answer = new byte[4000];
        _space.OnSubmit = client => client.Completed(answer);
        for (int i = 0; i < Commands; i++)
        {
            SocketFixture.Send(_client, TpmFileFixture.Command());
        }

        SocketFixture.Until(() => _space.Submitted.Count > 1);
        SpinWait.SpinUntil(() => _space.Submitted.Count > 20, TimeSpan.FromMilliseconds(100));
        Assert.InRange(_space.Submitted.Count, 2, 20);
        Assert.Equal(answer.Length * Commands, SocketFixture.Receive(_client, answer.Length * Commands).Length);
        Assert.Equal(Commands, _space.Submitted.Count);
    }

    [Fact]
    public void Cancel_concerns_the_command_under_way_and_else_there_is_nothing_to_cancel()
    {
        Assert.False(_connection.TryCancel());
        Submit();
        Assert.True(_connection.TryCancel());
        Assert.Equal(1, _space.Canceled);
        _space.Answer([1]);
        Assert.False(_connection.TryCancel());
    }

    [Fact]
    public void A_locality_holds_for_the_space()
    {
        _connection.SetLocality(3);
        Assert.Equal(3, _space.Locality);
    }

    [Fact]
    public void A_revoked_conversation_ends_the_connection()
    {
        Submit();
        _conversation.Revoke();
        Assert.Empty(SocketFixture.Receive(_client, 1));
        Assert.Equal(1, _sockets.Left);
    }

    [Fact]
    public void When_all_stops_connections_end_and_no_new_one_begins()
    {
        _sockets.Threads.Stop();
        Assert.Empty(SocketFixture.Receive(_client, 1));
        Conversation conversation = _conversation;
        Assert.Equal(
            SpaceErrno.Gone,
            _sockets.Threads.TryConnect(conversation, SocketFixture.Caller, out _, out SafeFileHandle theirs));
        theirs.Dispose();
        Assert.Equal(0, _sockets.Threads.OpenCount);
    }

    public void Dispose() => _sockets.Dispose();

    private void Submit()
    {
        int before = _space.Submitted.Count;
        SocketFixture.Send(_client, TpmFileFixture.Command());
        SocketFixture.Until(() => _space.Submitted.Count == before + 1 && _space.Lent > before);
    }
}
