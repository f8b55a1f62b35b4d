using TpmFs.Configuration;
using TpmFs.Host;
using TpmFs.Rm;
using TpmFs.Tpm.Transports;

namespace TpmFs.Daemon.Tests.Host;

public sealed class ManagerOptionsTests
{
    [Theory]
    [InlineData("embedded", true)]
    [InlineData("embedded:/var/lib/x", true)]
    [InlineData("swtpm:path=/embedded", false)]
    public void Only_a_TPM_of_our_own_is_flushed_at_the_start_by_default(string tpm, bool flushed)
    {
        Assert.Equal(flushed, ManagerOptions.For(Spec(tpm), new Settings()).FlushAtStart);
        Assert.Equal(!flushed, ManagerOptions.For(Spec(tpm), new Settings { FlushAtStart = !flushed }).FlushAtStart);
    }

    [Theory]
    [InlineData("device:/dev/tpm0", 1)]
    [InlineData("embedded", 0)]
    [InlineData("swtpm:path=/x", 0)]
    [InlineData("tcti:device:/dev/tpm0", 1)]
    [InlineData("tcti:cmd:device:/dev/tpm0", 0)]
    public void A_device_has_a_slot_of_each_kind_left_for_the_kernel_unless_configured_otherwise(
        string tpm, int reserved)
    {
        ResourceManagerOptions options = ManagerOptions.For(Spec(tpm), new Settings());
        Assert.Equal((reserved, reserved), (options.ReserveObjects, options.ReserveSessions));
        options = ManagerOptions.For(Spec(tpm), new Settings { ReserveObjects = 0, ReserveSessions = 2 });
        Assert.Equal((0, 2), (options.ReserveObjects, options.ReserveSessions));
    }

    [Fact]
    public void The_configured_options_reach_the_manager()
    {
        var settings = new Settings
        {
            IdleRelease = TimeSpan.FromSeconds(3),
            CommandTimeout = TimeSpan.FromSeconds(9),
            ReserveObjects = 1,
            ReserveSessions = 2,
        };
        ResourceManagerOptions options = ManagerOptions.For(Spec("embedded"), settings);
        Assert.Equal(TimeSpan.FromSeconds(9), options.CommandTimeout);
        Assert.Equal(
            (TimeSpan.FromSeconds(3), 1, 2), (options.IdleRelease, options.ReserveObjects, options.ReserveSessions));
    }

    private static TransportSpec Spec(string text)
    {
        Assert.True(
            TransportSpec.TryParse(
                text, new TransportEnvironment { StateDirectory = "/x" }, out TransportSpec? spec, out string problem),
                problem);
        return spec;
    }
}
