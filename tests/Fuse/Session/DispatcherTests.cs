using System.Runtime.InteropServices;
using System.Text;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

public sealed class DispatcherTests
{
    private readonly RecordingFileSystem _fileSystem = new();
    private readonly DispatcherFixture _fixture;

    public DispatcherTests()
    {
        _fixture = new DispatcherFixture(_fileSystem);
    }

    [Fact]
    public void Bit_63_of_a_resent_requests_number_is_in_its_reply()
    {
        const ulong Resent = (1UL << 63) | 42;
        _fileSystem.OnRead = read => read.Complete("x"u8);

        _fixture.Dispatch(DispatcherFixture.Request(FuseOpcode.StatFs, Resent));
        Assert.Equal(Resent, _fixture.Reply().Header.Unique);
        _fixture.Dispatch(DispatcherFixture.Read(Resent));

        Assert.Equal(Resent, _fixture.Reply().Header.Unique);
    }

    [Fact]
    public void Access_is_asked_of_the_filesystem()
    {
        _fixture.Dispatch(
            DispatcherFixture.Request(FuseOpcode.Access, 2, DispatcherFixture.Bytes(new FuseAccessIn(4, 0))));

        Assert.Equal(Errno.None, _fixture.Reply().Error);
        Assert.Equal("access 2 4", Assert.Single(_fileSystem.Calls));
    }

    [Fact]
    public void Getattr_of_an_open_file_names_it()
    {
        _fixture.Dispatch(
            DispatcherFixture.Request(
                FuseOpcode.GetAttr, 2, DispatcherFixture.Bytes(new FuseGetAttrIn(FuseGetAttrFlags.Fh, 0, 9))));

        Assert.Equal("getattr 2 9", Assert.Single(_fileSystem.Calls));
    }

    [Fact]
    public void Times_beyond_the_year_9999_are_cut_to_it()
    {
        var set = new FuseSetAttrIn
        {
            Valid = FuseSetAttrValid.ATime | FuseSetAttrValid.MTime,
            ATime = long.MaxValue,
            MTime = 1UL << 63,
            ATimeNsec = uint.MaxValue
        };

        _fixture.Dispatch(DispatcherFixture.Request(FuseOpcode.SetAttr, 2, DispatcherFixture.Bytes(set)));

        Assert.Equal(Errno.None, _fixture.Reply().Error);
        Assert.Contains(
            "atime=9999-12-31T23:59:59.9999999+00:00 mtime=0001-01-01", Assert.Single(_fileSystem.Calls),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4u, 0)]
    [InlineData(5u, 5)]
    [InlineData(64u, 5)]
    public void A_value_longer_than_asked_for_is_erange(uint size, int length)
    {
        _fixture.Dispatch(GetXattr(size));

        DispatcherFixture.Message reply = _fixture.Reply();
        Assert.Equal(length == 0 ? Errno.ERANGE : Errno.None, reply.Error);
        Assert.Equal(length, reply.Body.Length);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(uint.MaxValue)]
    public void A_value_over_64_KiB_is_refused(uint size)
    {
        _fileSystem.Bytes = new byte[65537];

        _fixture.Dispatch(GetXattr(size));

        Assert.Equal(Errno.E2BIG, _fixture.Reply().Error);
    }

    [Fact]
    public void Enosys_never_goes_out_for_an_xattr_since_the_kernel_would_stop_enforcing_acls()
    {
        _fileSystem.Answer = Errno.ENOSYS;
        foreach (byte[] request in new[] { Captured.GetXattr, Captured.GetXattrSize, Captured.ListXattr,
            Captured.SetXattr, Captured.RemoveXattr })
        {
            _fixture.Dispatch(request);

            Assert.Equal(Errno.EOPNOTSUPP, _fixture.Reply().Error);
        }
    }

    [Fact]
    public void The_default_filesystem_answers_no_xattr_request_with_enosys()
    {
        var fixture = new DispatcherFixture(new BareFileSystem());
        foreach (byte[] request in new[] { Captured.GetXattr, Captured.GetXattrSize, Captured.ListXattr,
            Captured.SetXattr, Captured.RemoveXattr })
        {
            fixture.Dispatch(request);

            Assert.NotEqual(Errno.ENOSYS, fixture.Reply().Error);
        }
    }

    [Fact]
    public void A_link_target_over_PATH_MAX_is_refused()
    {
        _fileSystem.Bytes = new byte[4096];

        _fixture.Dispatch(Captured.ReadLink);

        Assert.Equal(Errno.ENAMETOOLONG, _fixture.Reply().Error);
    }

    [Theory]
    [InlineData(31u, 0)]
    [InlineData(32u, 1)]
    [InlineData(64u, 2)]
    public void A_listing_holds_whole_entries_only(uint size, int entries)
    {
        var read = new FuseReadIn(8, 0, size, 0, 0, 0, 0);

        _fixture.Dispatch(DispatcherFixture.Request(FuseOpcode.ReadDir, 2, DispatcherFixture.Bytes(read)));

        Assert.Equal(entries * 32, _fixture.Reply().Body.Length);
        Assert.EndsWith($"all={entries == 2}", Assert.Single(_fileSystem.Calls), StringComparison.Ordinal);
    }

    [Fact]
    public void A_read_that_fills_the_page_cache_is_told_from_a_client_s_by_the_lock_owner_that_it_does_not_name()
    {
        _fixture.Dispatch(Captured.Read);
        var read = new FuseReadIn(103, 0, 4096, FuseReadFlags.None, 0, 0, 0);
        _fixture.Dispatch(DispatcherFixture.Request(FuseOpcode.Read, 3, DispatcherFixture.Bytes(read)));

        Assert.Equal(["read 3 103 0 4096 8802", "read 2 103 0 4096 0 for the page cache"], _fileSystem.Calls);
    }

    [Fact]
    public void An_exception_of_the_filesystem_is_logged_and_answered_with_eio_and_the_next_request_is_served()
    {
        _fileSystem.Failure = new InvalidOperationException();
        _fixture.Dispatch(Captured.GetAttr);
        Assert.Equal(Errno.EIO, _fixture.Reply().Error);
        Assert.Single(_fixture.Errors);

        _fileSystem.Failure = null;
        _fixture.Dispatch(Captured.GetAttr);

        Assert.Equal(Errno.None, _fixture.Reply().Error);
    }

    [Theory]
    [InlineData(-5)]
    [InlineData(512)]
    [InlineData(int.MinValue)]
    public void A_value_that_is_no_errno_becomes_eio_since_the_kernel_would_leave_the_caller_waiting(int value)
    {
        _fileSystem.Answer = new Errno(value);

        _fixture.Dispatch(Captured.Flush);

        Assert.Equal(-5, _fixture.Reply().Header.Error);
        Assert.Single(_fixture.Errors);
    }

    [Fact]
    public void A_poll_notification_is_unasked_and_names_the_poll()
    {
        _fileSystem.Notifier!.NotifyPoll(new PollId(6));

        Assert.Equal("180000000100000000000000000000000600000000000000", _fixture.Reply().Hex);
    }

    [Fact]
    public void A_reply_that_the_kernel_refuses_is_logged()
    {
        _fixture.Kernel = Errno.EINVAL;

        _fixture.Dispatch(Captured.Flush);

        Assert.Single(_fixture.Errors);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(19)]
    public void A_reply_that_nobody_waits_for_is_no_error(int errno)
    {
        _fixture.Kernel = new Errno(errno);

        _fixture.Dispatch(Captured.Flush);

        Assert.Empty(_fixture.Errors);
    }

    [Fact]
    public void Destroy_is_answered_and_the_filesystem_is_told_once()
    {
        _fixture.Dispatch(DispatcherFixture.Request(FuseOpcode.Destroy, 2));
        Assert.Equal(Errno.None, _fixture.Reply().Error);

        _fixture.Dispatcher.Close(Errno.ENODEV);

        Assert.Equal("stopped", Assert.Single(_fileSystem.Calls));
    }

    private static byte[] GetXattr(uint size) =>
        DispatcherFixture.Request(
            FuseOpcode.GetXattr, 2,
            [.. DispatcherFixture.Bytes(new FuseGetXattrIn(size, 0)), .. Encoding.ASCII.GetBytes("user.x\0")]);

    private sealed class BareFileSystem : FuseFileSystem
    {
        public override Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry)
        {
            entry = default;
            return Errno.ENOENT;
        }

        public override Errno GetAttributes(
            in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
        {
            attributes = default;
            return Errno.ENOENT;
        }
    }
}
