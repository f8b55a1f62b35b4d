using TpmFs.Fuse;
using TpmFs.Fuse.Wire;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>
/// Character devices of a daemon that is killed at each of its steps: they come and go with what they lead to, and
/// nobody gets at another's.
/// </summary>
public sealed class KilledDeviceTests
{
    private const string Device = "tpmrmfs0", OfDomain = "tpmfs/web";

    [Fact]
    public void A_device_is_the_same_one_after_each_kill() => AtEachStep((daemon, client) =>
    {
        KernelConnection device = daemon.DeviceOf(Device)!;
        OpenedFile file = client.Open("rm0");
        file.Write(Client.Command(1));
        daemon.RunTpm();
        Assert.Equal(64, file.Read().Body.Length);
        Assert.Same(device, daemon.DeviceOf(Device));
        file.Close();
    });

    [Fact]
    public void A_domains_device_goes_when_the_domain_goes_and_what_is_open_gives_ENODEV() =>
        AtEachStep((daemon, client) =>
        {
            Assert.Equal(Errno.None, client.MakeDirectory("domains", "web"));
            KernelConnection device = daemon.DeviceOf(OfDomain)!;
            OpenedFile file = client.Open("domains/web/rm0");
            file.Write(Client.Command(1));
            ulong read = file.BeginRead();

            Assert.Equal(Errno.None, client.RemoveDirectory("domains", "web"));

            Assert.Equal(Errno.ENODEV, daemon.AnswerOf(read)!.Error);
            Assert.Equal(Errno.ENODEV, file.Write(Client.Command(2)));
            Assert.Equal(PollEvents.Err | PollEvents.Hup, file.Poll());
            Assert.Equal(
                Errno.ENODEV, device.Do(FuseOpcode.Open, 0, KilledDaemon.Bytes(new FuseOpenIn(2, 0))).Error);
            file.Close();
            Assert.Null(daemon.DeviceOf(OfDomain));
        });

    /// <summary>
    /// A container that was given the device of a domain must not reach the next domain of that name.
    /// </summary>
    [Fact]
    public void A_domain_of_the_same_name_has_another_device() => AtEachStep((daemon, client) =>
    {
        client.MakeDirectory("domains", "web");
        KernelConnection old = daemon.DeviceOf(OfDomain)!;
        OpenedFile file = client.Open("domains/web/rm0");
        file.Write(Client.Command(1));
        ulong read = file.BeginRead();

        client.RemoveDirectory("domains", "web");
        Assert.Equal(Errno.None, client.MakeDirectory("domains", "web"));

        Assert.True(old.IsGone);
        Assert.Equal(Errno.ENODEV, daemon.AnswerOf(read)!.Error);
        Assert.NotSame(old, daemon.DeviceOf(OfDomain));
        client.Open("domains/web/rm0").Close();
    });

    [Fact]
    public void A_device_that_is_configured_no_more_ends_with_its_last_client_who_gets_ENODEV()
    {
        bool hasEnded = false;
        for (int steps = 1; !hasEnded; steps++)
        {
            // The first daemon is killed when the test says so, and the one after it at each of its steps.
            using var daemon = new KilledDaemon(Client.Devices);
            var client = new Client(daemon, byDevice: true);
            OpenedFile file = client.Open("rm0");
            file.Write(Client.Command(1));
            ulong read = file.BeginRead();

            daemon.Configure();
            daemon.Kill(steps);
            hasEnded = daemon.Deaths == 1;

            Assert.Equal(Errno.ENODEV, daemon.AnswerOf(read)!.Error);
            Assert.Equal(Errno.ENODEV, file.Write(Client.Command(2)));
            Assert.Contains("its device is not there any more", Assert.Single(daemon.TakenOver.Lost),
                StringComparison.Ordinal);
            file.Close();
            Assert.Null(daemon.DeviceOf(Device));
            Assert.Equal(0, daemon.Tpm.Open);
            Assert.Empty(daemon.Errors);
        }
    }

    [Fact]
    public void A_device_that_leads_to_another_node_now_is_another_device()
    {
        using var daemon = new KilledDaemon(Client.Devices);
        KernelConnection old = daemon.DeviceOf(Device)!;
        OpenedFile file = new Client(daemon, byDevice: true).Open("rm0");

        daemon.Configure($"{Device}=locality/1/rm0");
        daemon.Kill();

        Assert.True(old.IsGone);
        Assert.Equal(Errno.ENOTCONN, file.Write(Client.Command(1)));
        Client.OpenDevice(daemon.DeviceOf(Device)!).Close();
    }

    private static void AtEachStep(Action<KilledDaemon, Client> scene)
    {
        for (int step = 0, deaths = 1; deaths > 0 || step == 1; step++)
        {
            using var daemon = new KilledDaemon(Client.Devices, step == 0 ? [] : [step]);
            try
            {
                scene(daemon, new Client(daemon, byDevice: true));
                Assert.Empty(daemon.Errors);
                Assert.Equal(0, daemon.Tpm.Open);
                Assert.Equal(-1, daemon.Memory.IndexOf(Client.Secret));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Killed at step {step}: {e}", e);
            }

            deaths = daemon.Deaths;
        }
    }
}
