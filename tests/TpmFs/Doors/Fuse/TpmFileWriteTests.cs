using TpmFs.Fuse;
using TpmFs.Rm;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

public sealed class TpmFileWriteTests : IDisposable
{
    private readonly TpmFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void A_whole_command_is_queued_and_the_write_returns_its_size_at_once()
    {
        byte[] command = Command(12);

        Assert.Equal(Errno.None, _fixture.File.Write(default, command, out int written));

        Assert.Equal(12, written);
        Assert.Equal(command, Assert.Single(_fixture.Space.Submitted));
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(5, null)]
    [InlineData(6, 6u)]
    [InlineData(9, 9u)]
    [InlineData(12, 13u)]
    [InlineData(12, 0xFFFFFFFFu)]
    [InlineData(12, 0x80000000u)]
    [InlineData(12, 9u)]
    [InlineData(12, 0u)]
    public void A_write_that_is_no_whole_command_is_EINVAL_and_goes_nowhere(int size, uint? stated)
    {
        Assert.Equal(Errno.EINVAL, _fixture.File.Write(default, Command(size, stated), out int written));

        Assert.Equal(0, written);
        Assert.Empty(_fixture.Space.Submitted);
        Assert.Equal(Writable, _fixture.Poll());
    }

    [Fact]
    public void A_write_as_large_as_the_buffer_is_taken_and_one_byte_more_is_E2BIG()
    {
        Assert.Equal(Errno.E2BIG, _fixture.Write(Command(MaxCommandSize + 1)));
        Assert.Equal(Errno.E2BIG, _fixture.Write(Command(MaxCommandSize + 1, stated: 12)));
        Assert.Empty(_fixture.Space.Submitted);

        Assert.Equal(Errno.None, _fixture.Write(Command(MaxCommandSize)));
    }

    [Fact]
    public void E2BIG_comes_before_EBUSY_and_EBUSY_before_EINVAL_as_in_Linux()
    {
        _fixture.Write(Command());

        Assert.Equal(Errno.E2BIG, _fixture.Write(Command(MaxCommandSize + 1)));
        Assert.Equal(Errno.EBUSY, _fixture.Write(Command(5)));
    }

    [Fact]
    public void Trailing_bytes_are_tolerated_counted_as_written_and_not_forwarded()
    {
        Assert.Equal(Errno.None, _fixture.File.Write(default, Command(40, stated: 12), out int written));

        Assert.Equal(40, written);
        Assert.Equal(Command(40, stated: 12)[..12], Assert.Single(_fixture.Space.Submitted));
    }

    [Fact]
    public void A_write_while_a_command_is_under_way_is_EBUSY()
    {
        _fixture.Write(Command());

        Assert.Equal(Errno.EBUSY, _fixture.Write(Command()));
        Assert.Single(_fixture.Space.Submitted);
    }

    [Fact]
    public void A_write_while_nothing_of_the_response_is_read_is_EBUSY_and_the_response_stays()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2, 3);

        Assert.Equal(Errno.EBUSY, _fixture.Write(Command()));
        Assert.Equal([1, 2, 3], _fixture.Read().Data);
    }

    [Fact]
    public void A_write_while_an_error_is_unread_is_EBUSY()
    {
        _fixture.Write(Command());
        _fixture.Space.Fail(SpaceFailure.TransportLost);

        Assert.Equal(Errno.EBUSY, _fixture.Write(Command()));
        Assert.Equal(Errno.EIO, _fixture.Read().Error);
        Assert.Equal(Errno.None, _fixture.Write(Command()));
    }

    [Fact]
    public void After_a_partial_read_a_write_drops_the_rest()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2, 3);
        _fixture.Read(size: 1);

        Assert.Equal(Errno.None, _fixture.Write(Command()));
        _fixture.Space.Answer(9);
        Assert.Equal([9], _fixture.Read().Data);
    }

    [Fact]
    public void After_a_partial_read_a_bad_write_drops_nothing()
    {
        _fixture.Write(Command());
        _fixture.Space.Answer(1, 2, 3);
        _fixture.Read(size: 1);

        Assert.Equal(Errno.EINVAL, _fixture.Write(Command(5)));
        Assert.Equal([2, 3], _fixture.Read().Data);
    }

    [Fact]
    public void The_offset_is_ignored()
    {
        Assert.Equal(Errno.None, _fixture.File.Write(new FuseWriteArguments(4711, 0), Command(), out _));
        _fixture.Space.Answer(1, 2);

        var reply = new Fakes.FakeReply();
        _fixture.File.Read(new FuseReadArguments(4711, 4096, 0), reply.Token);
        Assert.Equal([1, 2], reply.Data);
    }

    [Fact]
    public void A_command_that_is_answered_inside_the_submission_is_readable_at_once()
    {
        _fixture.Space.OnSubmit = client => client.Completed([7, 8]);

        Assert.Equal(Errno.None, _fixture.Write(Command()));
        Assert.Equal(Readable, _fixture.Poll());
        Assert.Equal([7, 8], _fixture.Read().Data);
    }

    [Fact]
    public void A_space_that_takes_no_command_is_EBUSY_and_leaves_the_opener_idle()
    {
        _fixture.Space.Refuses = true;
        Assert.Equal(Errno.EBUSY, _fixture.Write(Command()));

        _fixture.Space.Refuses = false;
        Assert.Equal(Errno.None, _fixture.Write(Command()));
    }

    [Fact]
    public void The_file_is_opened_as_a_stream_so_that_no_writer_waits_for_another() =>
        Assert.Equal(FuseOpenFlags.DirectIo | FuseOpenFlags.Stream | FuseOpenFlags.NoFlush, _fixture.File.Flags);
}
