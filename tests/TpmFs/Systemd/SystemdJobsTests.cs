using TpmFs.Systemd;

namespace TpmFs.Daemon.Tests.Systemd;

public sealed class SystemdJobsTests
{
    [Theory]
    [InlineData("0::/system.slice/tpmfs.service\n", "tpmfs.service", false)]
    [InlineData("0::/user.slice/user-1000.slice/user@1000.service/app.slice/tpmfs.service\n", "tpmfs.service", true)]
    [InlineData("12:pids:/other.service\n1:name=systemd:/system.slice/tpmfs.service\n", "tpmfs.service", false)]
    public void The_unit_is_the_one_of_the_control_group(string cgroups, string unit, bool isUsers) =>
        Assert.Equal((unit, isUsers), SystemdJobs.UnitOf(cgroups));

    [Theory]
    [InlineData("")]
    [InlineData("0::/\n")]
    [InlineData("0::/user.slice/user-0.slice/session-3.scope\n")]
    [InlineData("a line\nwith:few\n")]
    public void A_process_of_no_service_has_no_unit(string cgroups) => Assert.Null(SystemdJobs.UnitOf(cgroups));

    [Theory]
    [InlineData("412 tpmfs.service restart running\n", true)]
    [InlineData("7 other.service start waiting\n412 tpmfs.service try-restart running\n", true)]
    [InlineData("412 tpmfs.service stop running\n", false)]
    [InlineData("412 other.service restart running\n", false)]
    [InlineData("", false)]
    [InlineData("No jobs running.\n", false)]
    public void A_restart_is_told_from_a_stop(string jobs, bool isRestart) =>
        Assert.Equal(isRestart, SystemdJobs.HasRestart(jobs, "tpmfs.service"));
}
