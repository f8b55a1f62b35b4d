using System.Text;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

public sealed class HostileRequestTests
{
    private readonly RecordingFileSystem _fileSystem = new();
    private readonly DispatcherFixture _fixture;

    public HostileRequestTests()
    {
        _fixture = new DispatcherFixture(_fileSystem);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(39)]
    public void A_request_shorter_than_a_header_is_logged_and_not_answered(int length)
    {
        _fixture.Dispatch(Captured.Lookup.AsSpan(0, length));

        Assert.Empty(_fixture.Replies);
        Assert.Single(_fixture.Errors);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(45u)]
    [InlineData(47u)]
    [InlineData(uint.MaxValue)]
    public void A_header_that_lies_about_the_length_gets_eio(uint length)
    {
        byte[] request = [.. Captured.Lookup];
        BitConverter.TryWriteBytes(request, length);

        Refused(request, Errno.EIO);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(ushort.MaxValue)]
    public void Extensions_longer_than_the_body_get_eio(ushort units)
    {
        byte[] request = DispatcherFixture.Request(FuseOpcode.StatFs, 2);
        BitConverter.TryWriteBytes(request.AsSpan(36), units);

        Refused(request, Errno.EIO);
    }

    [Fact]
    public void Extensions_are_not_part_of_the_body()
    {
        byte[] request = DispatcherFixture.Request(FuseOpcode.Lookup, 2, [.. "x\0"u8, .. new byte[8]]);
        BitConverter.TryWriteBytes(request.AsSpan(36), (ushort)1);

        _fixture.Dispatch(request);

        Assert.Equal("lookup 1000:999 2 x", Assert.Single(_fileSystem.Calls));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("name without its end")]
    [InlineData("a/b\0")]
    public void A_name_that_is_none_is_refused(string name)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(name);

        Refused(DispatcherFixture.Request(FuseOpcode.Lookup, 2, bytes), Errno.EINVAL);
        Refused(DispatcherFixture.Request(FuseOpcode.RmDir, 2, bytes), Errno.EINVAL);
        Refused(
            DispatcherFixture.Request(
                FuseOpcode.MkDir, 2, [.. DispatcherFixture.Bytes(new FuseMkDirIn(0x1ED, 0)), .. bytes]), Errno.EINVAL);
    }

    [Theory]
    [InlineData(4u)]
    [InlineData(0x80000000u)]
    [InlineData(uint.MaxValue)]
    public void Data_shorter_than_it_says_is_refused(uint size)
    {
        byte[] data = [1, 2, 3];

        Refused(
            DispatcherFixture.Request(
                FuseOpcode.Write, 2, [.. DispatcherFixture.Bytes(new FuseWriteIn(7, 0, size, 0, 0, 0, 0)), .. data]),
            Errno.EINVAL);
        Refused(
            DispatcherFixture.Request(
                FuseOpcode.Ioctl, 2, [.. DispatcherFixture.Bytes(new FuseIoctlIn(7, 0, 1, 0, size, 0)), .. data]),
            Errno.EINVAL);
        Refused(
            DispatcherFixture.Request(
                FuseOpcode.SetXattr, 2,
                [.. DispatcherFixture.Bytes(new FuseSetXattrIn(size, 0)), .. "user.x\0"u8, .. data]),
            Errno.EINVAL);
    }

    [Fact]
    public void A_forget_that_claims_more_than_it_holds_is_taken_as_far_as_it_goes()
    {
        byte[] body = [.. DispatcherFixture.Bytes(new FuseBatchForgetIn(uint.MaxValue, 0)),
            .. DispatcherFixture.Bytes(new FuseForgetOne(9, 3))];

        _fixture.Dispatch(DispatcherFixture.Request(FuseOpcode.BatchForget, 2, body));

        Assert.Equal("forget 9 3", Assert.Single(_fileSystem.Calls));
        Assert.Empty(_fixture.Replies);
        Assert.Single(_fixture.Errors);
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(36u)]
    [InlineData(41u)]
    [InlineData(42u)]
    public void A_request_that_expects_no_reply_gets_none_however_malformed(uint opcode)
    {
        byte[] request = DispatcherFixture.Request((FuseOpcode)opcode, 2, [1, 2, 3]);
        _fixture.Dispatch(request);
        BitConverter.TryWriteBytes(request, uint.MaxValue);
        _fixture.Dispatch(request);

        Assert.Empty(_fixture.Replies);
        Assert.Empty(_fileSystem.Calls);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(7u)]
    [InlineData(4096u)]
    [InlineData(uint.MaxValue)]
    public void An_operation_that_nobody_knows_is_enosys(uint opcode)
    {
        _fixture.Dispatch(DispatcherFixture.Request((FuseOpcode)opcode, 2, new byte[64]));

        Assert.Equal(Errno.ENOSYS, _fixture.Reply().Error);
    }

    [Fact]
    public void A_read_of_more_than_was_agreed_is_cut_to_it()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10, uint.MaxValue));

        Assert.Equal("read 2 7 0 69632 8002", Assert.Single(_fileSystem.Calls));
    }

    [Fact]
    public void A_second_read_under_a_number_that_waits_does_not_disturb_the_first()
    {
        _fixture.Dispatch(DispatcherFixture.Read(10));
        _fixture.Dispatch(DispatcherFixture.Read(10));

        Assert.Single(_fixture.Errors);
        Assert.Single(_fileSystem.Calls);
        Assert.True(_fileSystem.LastRead.Complete("x"u8));
        Assert.Equal(10u, _fixture.Reply().Header.Unique);
    }

    private void Refused(byte[] request, Errno error)
    {
        _fixture.Errors.Clear();
        _fixture.Dispatch(request);

        Assert.Equal(error, _fixture.Reply().Error);
        Assert.Single(_fixture.Errors);
        Assert.Empty(_fileSystem.Calls);
    }
}
