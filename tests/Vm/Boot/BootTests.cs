using System.Globalization;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>From nothing to a TPM that is used: the installation, then a boot.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class BootTests(InstalledDebian debian, ITestOutputHelper output)
{
    [Fact]
    public void The_package_is_installed_without_a_question_or_a_warning()
    {
        Assert.Equal(0, debian.Installation.ExitCode);
        Assert.DoesNotContain(
            "warning", debian.Installation.Output + debian.Installation.Error, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(
            "fail", debian.Installation.Output + debian.Installation.Error, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_tpm_that_is_there_when_the_package_is_installed_can_be_used_at_once() =>
        Assert.Matches("^[0-9a-f]{16}$", debian.FirstUse.Succeeded().Output.Trim());

    [Fact]
    public void The_nodes_are_there_after_the_next_boot() =>
        Assert.Equal(
            "660 root tss rm0\n600 root root raw0\n711 root root users\n711 root root domains\n700 root root locality",
            debian.Machine.Ask("cd /run/tpmfs; stat --format='%a %U %G %n' rm0 raw0 users domains locality"));

    [Fact]
    public void The_tpm_that_appears_starts_the_service()
    {
        Assert.Matches(@"\btpm0\.device", debian.Machine.Show("WantedBy", "tpmfs.target"));
        Assert.Equal("tpmfs.target", debian.Machine.Show("WantedBy"));
        Assert.True(
            Moment("InactiveExitTimestampMonotonic") > Moment("ActiveEnterTimestampMonotonic", "dev-tpm0.device"));
    }

    [Fact]
    public void The_boot_ends_with_no_failed_unit_and_no_error_in_its_log()
    {
        Assert.Equal("running", debian.BootState);
        Assert.Empty(debian.BootErrors);
    }

    [Fact]
    public void The_boots_log_has_no_warning_of_tpmfs_and_says_what_is_ready()
    {
        Assert.Empty(debian.BootWarnings);
        Assert.Contains(
            "/run/tpmfs/rm0 is ready; its TPM is device:/dev/tpm0", debian.BootMessages, StringComparison.Ordinal);
    }

    [Fact]
    public void The_status_says_what_is_served()
    {
        string status = debian.Machine.Ask("systemctl --no-pager status tpmfs.service");
        Assert.Contains("Active: active (running)", status, StringComparison.Ordinal);
        Assert.Contains("Status: \"serving device:/dev/tpm0 at /run/tpmfs\"", status, StringComparison.Ordinal);
    }

    [Fact]
    public void The_shutdown_before_was_in_order()
    {
        string log = debian.Machine.Ask("journalctl --boot=-1 --quiet --no-pager --output=cat --unit=tpmfs.service");
        Assert.Contains("SIGTERM: unmounting /run/tpmfs", log, StringComparison.Ordinal);
        Assert.Contains("tpmfs.service: Deactivated successfully.", log, StringComparison.Ordinal);
        Assert.Empty(
            debian.Machine.Ask("journalctl --boot=-1 --quiet --no-pager --priority=warning | grep -i tpmfs || true"));
    }

    /// <summary>
    /// On an emulated processor: only printed, but for a bound that tells a service which waits in vain.
    /// </summary>
    [Fact]
    public void The_service_is_ready_soon_after_its_start()
    {
        var time = TimeSpan.FromMicroseconds(
            Moment("ActiveEnterTimestampMonotonic") - Moment("InactiveExitTimestampMonotonic"));
        output.WriteLine($"start to ready, all emulated: {time.TotalMilliseconds:0} ms");
        Assert.InRange(time, TimeSpan.Zero, TimeSpan.FromSeconds(90));
    }

    private long Moment(string property, string unit = "tpmfs.service") =>
        long.Parse(debian.Machine.Show(property, unit), CultureInfo.InvariantCulture);
}
