using System.Runtime.InteropServices;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

public sealed class NegotiationTests
{
    private const FuseInitFlags Everything = (FuseInitFlags)uint.MaxValue;

    [Fact]
    public void The_captured_init_is_answered_with_our_version_and_limits()
    {
        var fileSystem = new RecordingFileSystem();
        var fixture = new DispatcherFixture(fileSystem, new FuseSessionOptions { MaxWrite = 65536 }, initialise: false);

        fixture.Dispatch(Captured.Init);

        // major 7, minor 38, readahead 128 KiB cut to 64, flags, no background limits, max_write 64 KiB, 1 ns, 17
        // pages.
        Assert.Equal(
            "50000000000000000200000000000000" + "0700000026000000000001000304640000000000000001000100000011000000"
            + new string('0', 64),
            fixture.Reply().Hex);
        Assert.Equal(NegotiationState.Done, fixture.Dispatcher.State);
        Assert.NotNull(fileSystem.Notifier);
    }

    [Fact]
    public void Only_what_is_wanted_is_asked_for_of_a_kernel_that_offers_everything()
    {
        FuseInitFlags without = Init(new FuseSessionOptions(), 7, 45, Everything).Flags;
        FuseInitFlags with = Init(new FuseSessionOptions { PosixAcl = true }, 7, 45, Everything).Flags;

        Assert.Equal(
            FuseInitFlags.AsyncRead | FuseInitFlags.PosixLocks | FuseInitFlags.FlockLocks | FuseInitFlags.ParallelDirOps
                | FuseInitFlags.AbortError | FuseInitFlags.MaxPages,
            without);
        Assert.Equal(without | FuseInitFlags.PosixAcl, with);
    }

    [Fact]
    public void A_feature_that_the_kernel_does_not_offer_is_not_asked_for()
    {
        Assert.Equal(FuseInitFlags.MaxPages, Init(new FuseSessionOptions(), 7, 31, FuseInitFlags.MaxPages).Flags);
    }

    [Fact]
    public void A_write_that_starts_inside_a_page_is_not_split()
    {
        FuseInitOut init = Init(new FuseSessionOptions { MaxWrite = 4096 }, 7, 45, Everything);

        Assert.Equal(4096u, init.MaxWrite);
        Assert.Equal(2, init.MaxPages);
    }

    [Theory]
    [InlineData(7u, 30u)]
    [InlineData(6u, 99u)]
    public void A_kernel_older_than_5_4_is_refused_and_told_so(uint major, uint minor)
    {
        var fixture = new DispatcherFixture(new RecordingFileSystem(), initialise: false);

        fixture.Dispatch(InitRequest(major, minor, Everything));

        Assert.Equal(Errno.EPROTO, fixture.Reply().Error);
        Assert.Equal(NegotiationState.Refused, fixture.Dispatcher.State);
        Assert.Contains("5.4", Assert.Single(fixture.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_without_acls_is_refused_where_they_are_wanted()
    {
        var fixture = new DispatcherFixture(
            new RecordingFileSystem(), new FuseSessionOptions { PosixAcl = true }, initialise: false);

        fixture.Dispatch(InitRequest(7, 38, Everything & ~FuseInitFlags.PosixAcl));

        Assert.Equal(Errno.EPROTO, fixture.Reply().Error);
        Assert.Equal(NegotiationState.Refused, fixture.Dispatcher.State);
    }

    [Fact]
    public void A_newer_major_version_is_answered_with_ours_and_may_come_again()
    {
        var fixture = new DispatcherFixture(new RecordingFileSystem(), initialise: false);

        fixture.Dispatch(InitRequest(8, 0, FuseInitFlags.None));
        FuseInitOut first = MemoryMarshal.Read<FuseInitOut>(fixture.Reply().Body);
        fixture.Dispatch(InitRequest(7, 45, Everything));

        Assert.Equal(7u, first.Major);
        Assert.Equal(Errno.None, fixture.Reply().Error);
        Assert.Equal(NegotiationState.Done, fixture.Dispatcher.State);
    }

    [Fact]
    public void A_second_init_is_refused_and_the_session_goes_on()
    {
        var fixture = new DispatcherFixture(new RecordingFileSystem());

        fixture.Dispatch(Captured.Init);
        Assert.Equal(Errno.EIO, fixture.Reply().Error);
        fixture.Dispatch(Captured.Lookup);

        Assert.Equal(Errno.None, fixture.Reply().Error);
    }

    [Fact]
    public void A_request_before_init_is_refused_and_not_served()
    {
        var fileSystem = new RecordingFileSystem();
        var fixture = new DispatcherFixture(fileSystem, initialise: false);

        fixture.Dispatch(Captured.Lookup);
        Assert.Equal(Errno.EIO, fixture.Reply().Error);
        fixture.Dispatch(Captured.Read);

        Assert.Equal(Errno.EIO, fixture.Reply().Error);
        Assert.Empty(fileSystem.Calls);
    }

    [Fact]
    public void A_filesystem_that_fails_to_start_makes_init_fail()
    {
        var fixture = new DispatcherFixture(
            new RecordingFileSystem { Failure = new InvalidOperationException() }, initialise: false);

        fixture.Dispatch(Captured.Init);

        Assert.Equal(Errno.EIO, fixture.Reply().Error);
        Assert.Equal(NegotiationState.Refused, fixture.Dispatcher.State);
    }

    private static FuseInitOut Init(FuseSessionOptions options, uint major, uint minor, FuseInitFlags flags)
    {
        var fixture = new DispatcherFixture(new RecordingFileSystem(), options, initialise: false);
        fixture.Dispatch(InitRequest(major, minor, flags));
        return MemoryMarshal.Read<FuseInitOut>(fixture.Reply().Body);
    }

    private static byte[] InitRequest(uint major, uint minor, FuseInitFlags flags) =>
        DispatcherFixture.Request(
            FuseOpcode.Init, 2, DispatcherFixture.Bytes(new FuseInitIn(major, minor, 0x20000, flags)));
}
