using System.Text;
using TpmFs.Fuse.Character;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Tests.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Character;

/// <summary>CUSE_INIT, and what is served after it.</summary>
public sealed class CharacterNegotiationTests
{
    private const int MaxWrite = 64 * 1024;

    private readonly RecordingFileSystem _fileSystem = new();
    private readonly DispatcherFixture _kernel = new(new RecordingFileSystem());
    private readonly RequestDispatcher _dispatcher;

    public CharacterNegotiationTests()
    {
        var negotiation =
            new CharacterNegotiation("tpmfs/web", new DeviceNumber(0x0102, 0x0304), MaxWrite, _kernel);
        _dispatcher = new RequestDispatcher(_fileSystem, negotiation, new SessionRecords(null, 0), _kernel, _kernel);
    }

    [Fact]
    public void The_kernel_is_told_the_name_the_number_and_the_sizes_of_the_device()
    {
        DispatcherFixture.Message answer = Dispatch(Init(7, 37));

        // major 7, minor 38, no flags, max_read and max_write 64 KiB, dev_major, dev_minor, ten spare words, the name
        Assert.Equal(
            "0700000026000000" + new string('0', 16) + "0000010000000100" + "0201000004030000" + new string('0', 80),
            Convert.ToHexStringLower(answer.Body.AsSpan(0, 72)));
        Assert.Equal("DEVNAME=tpmfs!web\0", Encoding.ASCII.GetString(answer.Body.AsSpan(72)));
        Assert.Equal(NegotiationState.Done, _dispatcher.State);
        Assert.NotNull(_fileSystem.Notifier);
    }

    [Theory]
    [InlineData(7u, 30u)]
    [InlineData(6u, 99u)]
    [InlineData(8u, 0u)]
    public void A_kernel_of_another_protocol_is_refused_and_told_so(uint major, uint minor)
    {
        Assert.Equal(Errno.EPROTO, Dispatch(Init(major, minor)).Error);
        Assert.Equal(NegotiationState.Refused, _dispatcher.State);
        Assert.Contains($"CUSE {major}.{minor}", Assert.Single(_kernel.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void An_init_that_is_too_short_and_a_second_one_are_refused()
    {
        Assert.True(Dispatch(DispatcherFixture.Request(FuseOpcode.CuseInit, 1, 7, 0, 0, 0)).Error.IsError);
        Assert.Equal(NegotiationState.Refused, _dispatcher.State);
        Assert.Equal(Errno.EIO, Dispatch(Init(7, 37)).Error);
    }

    [Fact]
    public void A_mounts_init_does_not_begin_a_device_and_nothing_is_served_before_its_own()
    {
        Assert.Equal(Errno.EIO, Dispatch(Captured.Init).Error);
        Assert.Equal(
            Errno.EIO,
            Dispatch(DispatcherFixture.Request(
                FuseOpcode.Open, 2, DispatcherFixture.Bytes(new FuseOpenIn(0x8002, 0)))).Error);
        Assert.Empty(_fileSystem.Calls);
    }

    [Fact]
    public void A_device_is_opened_written_polled_and_closed_as_a_file_is()
    {
        Dispatch(Init(7, 37));
        foreach ((FuseOpcode opcode, byte[] body) in new[]
        {
            (FuseOpcode.Open, DispatcherFixture.Bytes(new FuseOpenIn(0x8002, 0))),
            (FuseOpcode.Write,
                [.. DispatcherFixture.Bytes(new FuseWriteIn(7, 0, 4, 0, 0, 0x8002, 0)), 1, 2, 3, 4]),
            (FuseOpcode.Poll,
                DispatcherFixture.Bytes(new FusePollIn(7, 9, FusePollFlags.ScheduleNotify, PollEvents.In))),
            (FuseOpcode.Ioctl, DispatcherFixture.Bytes(new FuseIoctlIn(7, 0, 0x541B, 0x1000, 0, 0))),
            (FuseOpcode.Release, DispatcherFixture.Bytes(new FuseReleaseIn(7, 0x8002, 0, 0))),
        })
        {
            Assert.Equal(Errno.None, Dispatch(DispatcherFixture.Request(opcode, 2, body)).Error);
        }

        Assert.Equal(
            ["Open", "Write", "Poll", "Ioctl", "Release"],
            _fileSystem.Calls.Where(call => call.Length > 0).Select(call => call.Split(' ')[0]),
            StringComparer.OrdinalIgnoreCase);
    }

    private static byte[] Init(uint major, uint minor) => DispatcherFixture.Request(
        FuseOpcode.CuseInit, 1, DispatcherFixture.Bytes(new CuseInitIn(major, minor, Unused: 0, Flags: 1)));

    private DispatcherFixture.Message Dispatch(byte[] request)
    {
        _kernel.Replies.Clear();
        _dispatcher.Dispatch(request, SlotDispatch.NewSlot());
        return _kernel.Reply();
    }
}
