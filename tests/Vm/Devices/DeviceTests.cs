using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Devices;

/// <summary>Character devices of a real kernel: who can use them, for what, and what else happens then.</summary>
[Collection(GuestCollection.Name)]
public sealed class DeviceTests(Guest guest, DeviceDaemon daemon) : IClassFixture<DeviceDaemon>
{
    private const int Rounds = 100, CannotOpen = 2, NoDevice = 3;
    private const string OfUser = "/dev/tpmfs/user-4002";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData(0, 0, DeviceDaemon.Device, "")]
    [InlineData(0, 0, DeviceDaemon.Device, "epoll")]
    [InlineData(DeviceDaemon.Member, DeviceDaemon.Group, DeviceDaemon.Device, "")]
    [InlineData(DeviceDaemon.Member, DeviceDaemon.Group, DeviceDaemon.Device, "epoll")]
    [InlineData(DeviceDaemon.Granted, DeviceDaemon.Granted, OfUser, "")]
    [InlineData(DeviceDaemon.Granted, DeviceDaemon.Granted, OfUser, "epoll")]
    public void A_program_on_go_tpm_makes_keys_signs_and_uses_policies_without_leaving_anything(
        uint uid, uint gid, string device, string way)
    {
        Assert.Equal("passed\n", As(uid, gid, $"{DeviceClient.Program} {device} {Rounds} {way}").Succeeded().Output);
        AssertNothingIsLeft();
    }

    [Theory]
    [InlineData(DeviceDaemon.Stranger, DeviceDaemon.Device)]
    [InlineData(DeviceDaemon.Granted, DeviceDaemon.Device)]
    [InlineData(DeviceDaemon.Member, OfUser)]
    [InlineData(DeviceDaemon.Member, "/dev/tpmfs/raw0")]
    public void Who_may_not_open_the_node_may_not_open_its_device(uint uid, string device)
    {
        Outcome outcome = As(uid, uid, $"{DeviceClient.Program} {device} 1");
        Assert.Equal(CannotOpen, outcome.ExitCode);
        Assert.Contains("Permission denied", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_node_is_what_such_a_program_refuses() =>
        Assert.Equal(NoDevice, guest.Run($"{DeviceClient.Program} {DeviceDaemon.Mount}/rm0 1").ExitCode);

    [Fact]
    public void The_device_answers_what_programs_ask_of_one_as_the_kernels_do() => Assert.Equal(
        """
        FIONREAD ENOTTY
        TCGETS ENOTTY
        mmap ENODEV
        fsync EINVAL
        ftruncate EINVAL
        poll-idle ['0x104']
        poll-answer ['0x41']
        read 20
        read-again 0
        epoll-edge ['0x1']
        epoll-no-edge []
        epoll-read 20
        epoll-next-edge ['0x1']
        write-unread EBUSY
        nonblock-nothing 0
        short EINVAL
        long E2BIG
        very-long E2BIG
        after-all 20

        """,
        guest.Run($"{Guest.Scripts}/Devices/asks.py {DeviceDaemon.Device}").Succeeded().Output);

    [Fact]
    public void A_client_that_is_killed_in_any_state_leaves_nothing()
    {
        string output = guest.Run($"{Guest.Scripts}/Devices/states.py {DeviceDaemon.Device}", s_limit)
            .Succeeded().Output;
        Assert.Equal(9, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        AssertNothingIsLeft();
        guest.Run($"{DeviceClient.Program} {DeviceDaemon.Device} 1").Succeeded();
    }

    [Fact]
    public void A_client_whose_memory_never_comes_holds_up_nobody_else()
    {
        string user = As(DeviceDaemon.Member, DeviceDaemon.Group);
        guest.Run(
            $$"""
            mkdir -p {{DeviceDaemon.Folder}}/stuck
            chmod 666 /dev/fuse
            mkfifo {{DeviceDaemon.Folder}}/end
            exec 9<>{{DeviceDaemon.Folder}}/end
            {{user}} /usr/bin/python3 {{Guest.Repository}}tests/Integration/clients/stuck.py \
                {{DeviceDaemon.Folder}}/stuck write {{DeviceDaemon.Device}} \
                <{{DeviceDaemon.Folder}}/end >{{DeviceDaemon.Folder}}/held 2>&1 9>&- &
            until grep -q held {{DeviceDaemon.Folder}}/held; do
                kill -0 $! || { cat {{DeviceDaemon.Folder}}/held >&2; exit 1; }
                sleep 0.1
            done
            {{user}} {{DeviceClient.Program}} {{DeviceDaemon.Device}} 3
            {{DeviceClient.Program}} {{DeviceDaemon.Device}} 3 epoll
            exec 9>&-
            wait
            """,
            s_limit).Succeeded();
        AssertNothingIsLeft();
    }

    /// <summary>
    /// The kernel wakes all that polls an open device while it holds a lock of the device's connection, as it does for
    /// a file of the mount.
    /// </summary>
    [Fact]
    public void A_client_who_registers_the_device_a_hundred_thousand_times_loses_it()
    {
        string greedy = $"{Guest.Repository}tests/Integration/clients/registrations.py {DeviceDaemon.Device} 100000";
        Assert.Equal(
            "ENODEV\n", As(DeviceDaemon.Member, DeviceDaemon.Group, $"python3 {greedy}").Succeeded().Output);
        guest.Run($"{DeviceClient.Program} {DeviceDaemon.Device} 1").Succeeded();
        AssertNothingIsLeft();
    }

    /// <summary>Whoever lists a directory of /dev can keep the kernel from making a device in it.</summary>
    [Fact]
    public void Nobody_but_root_lists_the_directory_that_devices_come_and_go_in()
    {
        Assert.Contains(
            "Permission denied", As(DeviceDaemon.Stranger, DeviceDaemon.Stranger, "ls /dev/tpmfs").Error,
            StringComparison.Ordinal);
        Assert.Equal("711 0\n", guest.Run("stat --format='%a %u' /dev/tpmfs").Succeeded().Output);
    }

    [Fact]
    public void Owner_mode_and_acl_are_the_nodes_at_once_and_after_a_restart()
    {
        string[] both = [$"{DeviceDaemon.Mount}/domains/web/rm0", "/dev/tpmfs/web"];
        guest.Run(
            $"""
            mkdir {DeviceDaemon.Mount}/domains/web
            until [ -e {both[1]} ]; do sleep 0.1; done
            """).Succeeded();
        AssertSame("660 0 0");
        guest.Run($"chown 4005:4006 {both[0]}; chmod 640 {both[0]}").Succeeded();
        AssertSame("640 4005 4006");
        guest.Run($"setfacl -m u:4007:rw,g:4008:r {both[0]}").Succeeded();
        AssertSame("660 4005 4006");

        daemon.End("TERM");
        Assert.Equal("", guest.Run("ls -d /dev/tpmfs /dev/tpmrmfs0 2>/dev/null || true").Output);
        daemon.Start();
        AssertSame("660 4005 4006");
        As(4007, 4007, $"{DeviceClient.Program} {both[1]} 1").Succeeded();
        Assert.Equal(CannotOpen, As(4009, 4008, $"{DeviceClient.Program} {both[1]} 1").ExitCode); // may read only
        guest.Run($"setfacl -b {both[0]}; rmdir {DeviceDaemon.Mount}/domains/web").Succeeded();

        void AssertSame(string expected)
        {
            foreach (string path in both)
            {
                Assert.Equal(expected + "\n", guest.Run($"stat --format='%a %u %g' {path}").Succeeded().Output);
            }

            string[] acls = Array.ConvertAll(
                both, path => guest.Run($"getfacl --absolute-names --numeric --omit-header {path}").Succeeded().Output);
            Assert.Equal(acls[0], acls[1]);
        }
    }

    [Fact]
    public void When_the_domain_goes_its_device_goes_and_what_is_open_is_ENODEV()
    {
        Outcome outcome = guest.Run(
            $$"""
            cd {{DeviceDaemon.Mount}}/domains
            mkdir gone
            until [ -e /dev/tpmfs/gone ]; do sleep 0.1; done
            cat >/run/gone.py <<'END'
            import errno, os, select, subprocess
            fd = os.open("/dev/tpmfs/gone", os.O_RDWR)
            print(open("gone/openers").read().split()[4])
            old = os.stat(fd).st_rdev
            os.rmdir("gone")
            while os.path.exists("/dev/tpmfs/gone"):
                pass
            again = f"/proc/self/fd/{fd}"
            for call in lambda: os.write(fd, bytes(10)), lambda: os.read(fd, 10), lambda: os.open(again, os.O_RDWR):
                try:
                    print(call())
                except OSError as problem:
                    print(errno.errorcode[problem.errno])
            poll = select.poll()
            poll.register(fd, 1)
            print(poll.poll(0)[0][1])
            os.mkdir("gone")  # while the old one is open
            while not os.path.exists("/dev/tpmfs/gone"):
                pass
            print(os.stat("/dev/tpmfs/gone").st_rdev != old)
            os.rmdir("gone")
            END
            python3 /run/gone.py
            """);
        Assert.Equal("rm0\nENODEV\nENODEV\nENODEV\n24\nTrue\n", outcome.Succeeded().Output);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4010)]
    public void A_container_is_given_a_domains_device(int uid)
    {
        string domain = $"podman{uid}";
        guest.Run(
            $"""
            mkdir {DeviceDaemon.Mount}/domains/{domain}
            chown {uid}:{uid} {DeviceDaemon.Mount}/domains/{domain}/rm0
            until [ -e /dev/tpmfs/{domain} ]; do sleep 0.1; done
            """).Succeeded();
        try
        {
            string podman = $"{Guest.Scripts}/Devices/podman.sh {uid}";
            Assert.Equal(
                "passed\n",
                guest.Run($"{podman} /dev/tpmfs/{domain} {DeviceClient.Program} /dev/tpmfs/{domain} 2", s_limit)
                    .Succeeded().Output);

            // By the name that 'tpmfs cdi' gives it, it is also where programs with a path built in look.
            guest.Run($"{Guest.Repository}out/tpmfs cdi --mount {DeviceDaemon.Mount} --output /run/cdi/tpmfs.json")
                .Succeeded();
            Assert.Equal(
                "passed\n",
                guest.Run($"{podman} tpmfs.example/tpm={domain} {DeviceClient.Program} /dev/tpmrm0 2", s_limit)
                    .Succeeded().Output);
        }
        finally
        {
            guest.Run($"rmdir {DeviceDaemon.Mount}/domains/{domain}").Succeeded();
        }
    }

    [Fact]
    public void A_device_that_was_aborted_is_made_again() => Assert.Equal(
        "passed\n",
        guest.Run(
            $"""
            old=$(stat --format=%T {DeviceDaemon.Device})
            echo 1 >/sys/class/cuse/tpmrmfs0/abort
            until [ -e {DeviceDaemon.Device} ] && [ $(stat --format=%T {DeviceDaemon.Device}) != $old ]; do
                sleep 0.1
            done
            until {DeviceClient.Program} {DeviceDaemon.Device} 1; do sleep 0.1; done
            """).Succeeded().Output);

    [Fact]
    public void A_daemon_that_is_killed_takes_its_devices_along_and_the_next_one_brings_them()
    {
        daemon.End("KILL");
        Assert.NotEqual(0, guest.Run($"ls {DeviceDaemon.Device}").ExitCode);
        daemon.Start();
        guest.Run($"{DeviceClient.Program} {DeviceDaemon.Device} 1").Succeeded();
    }

    [Fact]
    public void Without_the_module_the_daemon_starts_all_the_same_and_says_what_is_missing()
    {
        daemon.End("TERM");
        guest.Run("rmmod cuse; [ ! -e /dev/cuse ]").Succeeded();
        try
        {
            daemon.Start();
            string status = guest.Run($"cat {DeviceDaemon.Mount}/status").Succeeded().Output;
            Assert.Contains("device     NOT THERE: /dev/tpmrmfs0 (rm0): ", status, StringComparison.Ordinal);
            Assert.Contains("): /dev/cuse is not there", status, StringComparison.Ordinal); // of the first device
            Assert.Contains("modprobe cuse", status, StringComparison.Ordinal);
            Assert.Contains("kernel-modules-extra", guest.Run($"cat {DeviceDaemon.Folder}/log").Output,
                StringComparison.Ordinal);
            string options = $"--config {DeviceDaemon.Folder}/config --mount {DeviceDaemon.Mount}";
            Outcome doctor = guest.Run($"{Guest.Repository}out/tpmfs doctor {options}", s_limit);
            Assert.Contains("devices", doctor.Output, StringComparison.Ordinal);
            Assert.Contains("modprobe cuse", doctor.Output, StringComparison.Ordinal);

            // The daemon, too, tells doctor which devices are missing: one need not be in the configuration.
            doctor = guest.Run($"{Guest.Repository}out/tpmfs doctor --mount {DeviceDaemon.Mount}", s_limit);
            Assert.Matches(@"(?m)^WRONG +device +/dev/tpmrmfs0 \(rm0\): ", doctor.Output);
            Assert.Matches(@"(?m)^WRONG +device +.*: /dev/cuse is not there", doctor.Output);
        }
        finally
        {
            // A reload tries again.
            guest.Run(
                $"""
                modprobe cuse
                kill -HUP $(cat {DeviceDaemon.Folder}/pid)
                until [ -e {DeviceDaemon.Device} ]; do sleep 0.1; done
                """).Succeeded();
        }

        guest.Run($"{DeviceClient.Program} {DeviceDaemon.Device} 1").Succeeded();
    }

    private static string As(uint uid, uint gid) =>
        uid == 0 ? "" : $"setpriv --reuid={uid} --regid={gid} --clear-groups";

    private Outcome As(uint uid, uint gid, string command) => guest.Run($"{As(uid, gid)} {command}", s_limit);

    private void AssertNothingIsLeft() => guest.Run(
        $"""
        i=0
        until [ "$(head -n 3 {DeviceDaemon.Mount}/stat | tr '\n' ' ')" = "openers 0 objects 0 sessions 0 " ]; do
            i=$((i + 1))
            [ $i -lt 600 ] || exec cat {DeviceDaemon.Mount}/stat {DeviceDaemon.Mount}/openers >&2
            sleep 0.1
        done
        """,
        s_limit).Succeeded();
}
