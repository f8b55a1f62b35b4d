using Serilog.Core;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Doors.Device;
using TpmFs.Fuse;
using TpmFs.Fuse.Character;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Doors.Device;

/// <summary>Devices come and go with their nodes, and their openers are the nodes' openers.</summary>
public sealed class ServedDevicesTests : IDisposable
{
    private static readonly byte[] s_command = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B];
    private readonly FakeDeviceMaker _kernel = new();
    private readonly ServedDevices _devices;
    private readonly TreeFixture _tree;

    public ServedDevicesTests()
    {
        DeviceRule[] rules =
        [
            Rule("tpmrmfs0", "rm0"), Rule("tpmfs/*", "domains/*/rm0"), Rule("tpmfs/late", "rm7"),
        ];
        _devices = new ServedDevices(rules, _kernel, new DeviceThread(Logger.None), Logger.None);
        _tree = new TreeFixture(watcher: _devices);
        _devices.Start();
    }

    public void Dispose()
    {
        _devices.Dispose();
        _tree.Dispose();
    }

    [Fact]
    public void Nodes_that_exist_from_the_start_have_their_devices_when_the_start_returns()
    {
        Assert.NotNull(_kernel.Find("tpmrmfs0"));
        Assert.Equal(
            [("/dev/tpmfs/late", "rm7", "there is no such node"), ("/dev/tpmrmfs0", "rm0", "")], _devices.List());
    }

    [Fact]
    public void A_device_has_the_owner_the_mode_and_the_acl_of_its_node_when_the_change_returns()
    {
        FakeDevice device = _kernel.Await("tpmrmfs0");
        _kernel.Await(() => device.Access.Gid == 109, "the first access");
        Assert.Equal(new DeviceAccess(0, 109, 0x1B0, default), device.Access);

        _tree.Change("rm0", mode: 0x1A4, uid: 1000, gid: 1001);
        Assert.Equal(new DeviceAccess(1000, 1001, 0x1A4, default), device.Access);

        byte[] acl = Convert.FromHexString(
            "02000000" + "01000600ffffffff" + "02000600e9030000" + "04000400ffffffff" + "10000600ffffffff"
                + "20000000ffffffff");
        Assert.Equal(
            Errno.None, _tree.Kernel.SetXattr(Root, _tree.NumberOf("rm0"), "system.posix_acl_access"u8, acl, 0));
        Assert.Equal(0x1B0u, device.Access.Mode);
        Assert.Equal(acl, device.Access.Acl.ToArray());
    }

    [Fact]
    public void An_access_that_cannot_be_set_is_shown_until_it_can()
    {
        FakeDevice device = _kernel.Await("tpmrmfs0");
        device.Refusal = Errno.EPERM;
        _tree.Change("rm0", uid: 1000);
        Assert.Contains("CAP_CHOWN", _devices.List()[1].Problem, StringComparison.Ordinal);

        device.Refusal = Errno.None;
        _tree.Change("rm0", uid: 1001);
        Assert.Equal("", _devices.List()[1].Problem);
        Assert.Equal(1001u, device.Access.Uid);
    }

    [Fact]
    public void An_opener_of_the_device_is_one_of_the_nodes_counted_listed_limited_and_revoked()
    {
        FuseFileSystem device = _kernel.Await("tpmrmfs0").FileSystem;
        _tree.Write("openers.max", "2");
        OpenId open = Open(device, Alice);
        _tree.Open("rm0", Bob);

        Assert.Equal("openers 2\n", _tree.Read("stat")[..10]);
        Assert.Equal(1000u, _tree.Owners[0].Uid);
        Assert.Matches($"^1 1000 {NoProcess} [^ ]+ rm0 ", _tree.Read("openers"));
        Assert.Equal(Errno.ENFILE, device.Open(Alice, default, 2, out _));

        Assert.Equal(Errno.None, _tree.Write("revoke", "1"));
        Assert.Equal(Errno.ENODEV, device.Write(Alice, default, open, default, s_command, out _));
        device.Poll(Alice, default, open, null, PollEvents.In, out PollEvents ready);
        Assert.Equal(PollEvents.Err | PollEvents.Hup, ready);
    }

    [Fact]
    public void A_response_is_read_once_and_wakes_who_polls_the_device()
    {
        FakeDevice device = _kernel.Await("tpmrmfs0");
        OpenId open = Open(device.FileSystem, Alice);
        Assert.Equal(Errno.None, device.FileSystem.Write(Alice, default, open, default, s_command, out int written));
        Assert.Equal(s_command.Length, written);
        device.FileSystem.Poll(Alice, default, open, new PollId(5), PollEvents.In, out _);
        _tree.Spaces[0].Answer(1, 2, 3);

        Assert.Equal(new PollId(5), Assert.Single(device.Notifier.Polls));
        Assert.Equal([1, 2, 3], Read(device.FileSystem, open).Data);
        Assert.Empty(Read(device.FileSystem, open).Data);
    }

    [Fact]
    public void A_new_domain_has_a_device_and_a_domain_that_goes_hides_it_until_its_last_client_has_left()
    {
        _tree.Make("domains", "web");
        FakeDevice device = _kernel.Await("tpmfs/web");
        OpenId open = Open(device.FileSystem, Alice);

        _tree.Remove("domains", "web");
        _kernel.Await(() => device.IsHidden, "a device that is hidden");

        Assert.Same(device, _kernel.Find("tpmfs/web"));
        Assert.DoesNotContain(_devices.List(), one => one.Path == "/dev/tpmfs/web");
        Assert.Equal(Errno.ENODEV, device.FileSystem.Write(Alice, default, open, default, s_command, out _));
        Assert.Equal(Errno.ENODEV, device.FileSystem.Open(Root, default, 2, out _));

        device.FileSystem.Release(default, open);
        _kernel.Await(() => _kernel.Find("tpmfs/web") is null, "a device that is gone");
    }

    [Fact]
    public void A_domain_that_comes_again_has_a_device_though_a_client_keeps_the_old_one_open()
    {
        _tree.Make("domains", "web");
        FakeDevice old = _kernel.Await("tpmfs/web");
        Open(old.FileSystem, Alice);

        _tree.Remove("domains", "web");
        _tree.Make("domains", "web");
        _kernel.Await(() => _kernel.Find("tpmfs/web") is { } found && found != old, "a new device");

        Open(_kernel.Find("tpmfs/web")!.FileSystem, Alice);
    }

    [Fact]
    public void A_device_that_the_kernel_ended_is_made_again()
    {
        FakeDevice old = _kernel.Await("tpmrmfs0");
        Open(old.FileSystem, Alice);
        old.Abort();
        _kernel.Await(() => _kernel.Find("tpmrmfs0") is { } found && found != old, "a new device");

        Assert.Equal("openers 0\n", _tree.Read("stat")[..10]); // no RELEASE comes for what was open
        Open(_kernel.Find("tpmrmfs0")!.FileSystem, Alice);
    }

    [Fact]
    public void The_list_says_why_a_device_cannot_be_made_and_a_retry_makes_it()
    {
        _kernel.Problem = "no module";
        _tree.Make("domains", "web");
        _kernel.Await(
            () => _devices.List().Contains(("/dev/tpmfs/web", "domains/web/rm0", "no module")), "the problem");

        _kernel.Problem = "";
        _devices.Retry();
        _kernel.Await("tpmfs/web");
    }

    [Fact]
    public void At_the_stop_nothing_can_be_opened_any_more_and_then_all_devices_go()
    {
        FakeDevice device = _kernel.Await("tpmrmfs0");
        _devices.RefuseOpens();
        Assert.Equal(Errno.ENODEV, device.FileSystem.Open(Root, default, 2, out _));

        _devices.Dispose();
        Assert.Null(_kernel.Find("tpmrmfs0"));
    }

    private static DeviceRule Rule(string name, string node)
    {
        Assert.True(DeviceRule.TryParse(name, node, out DeviceRule? rule, out string problem), problem);
        return rule;
    }

    private static OpenId Open(FuseFileSystem device, FuseCaller caller)
    {
        Assert.Equal(Errno.None, device.Open(caller, default, 2, out FuseOpened opened));
        return opened.Open;
    }

    private static FakeReply Read(FuseFileSystem device, OpenId open)
    {
        var reply = new FakeReply();
        device.Read(Root, default, open, new FuseReadArguments(0, 4096, 0), reply.Token);
        return reply;
    }
}
