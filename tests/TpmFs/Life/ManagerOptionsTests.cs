using TpmFs.Configuration;
using TpmFs.Life;

namespace TpmFs.Daemon.Tests.Life;

public sealed class ManagerOptionsTests
{
    [Theory]
    [InlineData("embedded", true)]
    [InlineData("embedded:/var/lib/x", true)]
    [InlineData("swtpm:path=/embedded", false)]
    public void Only_a_TPM_of_our_own_is_flushed_at_the_start_by_default(string tpm, bool flushed)
    {
        Assert.Equal(flushed, ManagerOptions.For(tpm, new Settings()).FlushAtStart);
        Assert.Equal(!flushed, ManagerOptions.For(tpm, new Settings { FlushAtStart = !flushed }).FlushAtStart);
    }

    [Fact]
    public void What_is_configured_reaches_the_manager()
    {
        var options = ManagerOptions.For("embedded", new Settings { IdleRelease = TimeSpan.FromSeconds(3), ReserveObjects = 1, ReserveSessions = 2 });
        Assert.Equal((TimeSpan.FromSeconds(3), 1, 2), (options.IdleRelease, options.ReserveObjects, options.ReserveSessions));
    }
}
