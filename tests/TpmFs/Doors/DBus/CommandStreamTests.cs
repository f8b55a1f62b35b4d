using Microsoft.Win32.SafeHandles;
using TpmFs.Daemon.Tests.Doors.Fuse;
using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Doors.DBus;

/// <summary>Commands come out of a stream as they went in, however it is cut.</summary>
public sealed class CommandStreamTests : IDisposable
{
    private readonly SafeFileHandle _ours;
    private readonly SafeFileHandle _theirs;
    private readonly MeteredSocket _socket;
    private readonly CommandStream _stream = new();

    public CommandStreamTests()
    {
        Assert.Equal(Errno.None, SocketCalls.Pair(out _ours, out _theirs));
        Assert.Equal(Errno.None, SocketCalls.SetBlocking(_ours, blocking: false));
        _socket = new MeteredSocket(_ours);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Commands_come_out_as_they_went_in(int seed)
    {
        var random = new Random(seed);
        byte[][] commands = [.. Enumerable.Range(0, 200).Select(_ => RandomCommand(random))];
        byte[] all = [.. commands.SelectMany(command => command)];
        var received = new List<byte[]>();
        for (int at = 0; at < all.Length;)
        {
            int size = Math.Min(random.Next(1, random.Next(2, 20_000)), all.Length - at);
            Assert.Equal(Errno.None, SocketCalls.Send(_theirs, all.AsSpan(at, size), out int sent));
            at += sent;
            ReceiveAll(received);
        }

        Assert.Equal(commands.Select(Convert.ToHexString), received.Select(Convert.ToHexString));
        Assert.False(_stream.HasBytes);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(9u)]
    [InlineData(8193u)]
    [InlineData(uint.MaxValue)]
    public void A_size_that_no_command_has_is_found_with_the_sixth_byte(uint size)
    {
        byte[] command = TpmFileFixture.Command(12, size);
        SocketCalls.Send(_theirs, command.AsSpan(0, 5), out _);
        Assert.Equal(StreamState.Waiting, _stream.Receive(_socket, out _));
        SocketCalls.Send(_theirs, command.AsSpan(5, 1), out _);
        Assert.Equal(StreamState.Broken, _stream.Receive(_socket, out _));
    }

    [Fact]
    public void The_end_comes_after_the_last_command()
    {
        SocketCalls.Send(_theirs, TpmFileFixture.Command(), out _);
        _theirs.Dispose();
        Assert.Equal(StreamState.Command, _stream.Receive(_socket, out ReadOnlySpan<byte> command));
        Assert.Equal(12, command.Length);
        _stream.DropCommand();
        Assert.Equal(StreamState.Ended, _stream.Receive(_socket, out _));
    }

    [Fact]
    public void A_command_is_wiped_when_it_is_dropped()
    {
        byte[] command = TpmFileFixture.Command(200);
        command.AsSpan(10).Fill(0xA5);
        SocketCalls.Send(_theirs, command, out _);
        Assert.Equal(StreamState.Command, _stream.Receive(_socket, out ReadOnlySpan<byte> seen));
        Assert.Equal(command, seen);
        _stream.DropCommand();
        Assert.Equal(-1, seen.IndexOfAnyExcept((byte)0));
    }

    public void Dispose()
    {
        _stream.Clear();
        _ours.Dispose();
        _theirs.Dispose();
    }

    private void ReceiveAll(List<byte[]> received)
    {
        StreamState state;
        while ((state = _stream.Receive(_socket, out ReadOnlySpan<byte> command)) == StreamState.Command)
        {
            received.Add(command.ToArray());
            _stream.DropCommand();
        }

        Assert.Equal(StreamState.Waiting, state);
    }

    private static byte[] RandomCommand(Random random)
    {
        byte[] command = TpmFileFixture.Command(random.Next(10) switch
        {
            0 => CommandStream.MaxCommand,
            1 => 10,
            _ => random.Next(10, 300),
        });
        random.NextBytes(command.AsSpan(6));
        return command;
    }
}
