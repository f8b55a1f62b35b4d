using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Vm.Tests.Installed;

/// <summary>The package in a Debian that boots with systemd: what an administrator meets from its installation to its removal.</summary>
public sealed class InstalledTests(InstalledGuest guest) : IClassFixture<InstalledGuest>
{
    private const string Random = "TPM2TOOLS_TCTI=device:/run/tpmfs/rm0 tpm2_getrandom --hex 8";

    [Fact]
    public void A_tpm_that_appears_is_served_to_members_of_tss_and_to_nobody_else()
    {
        Assert.Matches("^[0-9a-f]{16}$", guest.RunAs("alice", Random).Succeeded().Output);
        Assert.NotEqual(0, guest.RunAs("bob", Random).ExitCode);
        Assert.Contains("Permission denied", guest.RunAs("bob", "exec 3<>/run/tpmfs/rm0").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_boot_the_services_status_and_its_log_are_clean()
    {
        Assert.Equal("running\n", guest.Run("systemctl is-system-running").Output);
        Outcome status = guest.Run("systemctl status --no-pager tpmfs").Succeeded();
        Assert.Contains("Active: active (running)", status.Output, StringComparison.Ordinal);
        Assert.Contains("Status: \"serving device:/dev/tpm0 at /run/tpmfs\"", status.Output, StringComparison.Ordinal);
        Assert.Contains("enabled; preset: enabled", status.Output, StringComparison.Ordinal);
        Assert.Equal("", guest.Run("journalctl --quiet --no-pager --output=cat --priority=warning --unit=tpmfs --identifier=tpmfs --invocation=0 2>/dev/null || true").Output);
        Assert.Equal("", guest.Run("systemd-analyze verify tpmfs.service tpmfs.target 2>&1").Succeeded().Output);
    }

    [Fact]
    public void A_refused_command_is_found_in_the_journal_by_its_name_and_by_its_user()
    {
        string uid = guest.Run("id -u alice").Output.Trim();
        guest.Run($"mkdir -p /run/tpmfs/users/{uid}").Succeeded();
        Assert.NotEqual(0, guest.RunAs("alice", "TPM2TOOLS_TCTI=device:/run/tpmfs/self/rm0 tpm2_clear").ExitCode);
        guest.Until("journalctl --quiet --output=cat TPM_CC=TPM2_Clear | grep -q refuses");
        Outcome found = guest.Run($"journalctl --no-pager --output=cat --catalog TPM_CC=TPM2_Clear TPMFS_UID={uid} TPMFS_DOMAIN=users/{uid}").Succeeded();
        Assert.Contains("A command was refused", guest.Run("journalctl --no-pager --catalog TPM_CC=TPM2_Clear").Output, StringComparison.Ordinal);
        Assert.Contains("refuses TPM2_Clear", found.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_mount_is_seen_by_services_with_mount_namespaces_of_their_own_made_before_it_and_after()
    {
        guest.UnplugTpm();
        guest.Until("! systemctl is-active --quiet tpmfs");
        guest.Run("systemd-run --quiet --unit=before --property=PrivateTmp=yes --property=ProtectSystem=full sleep infinity").Succeeded();
        guest.PlugTpm();
        guest.Run("systemd-run --quiet --unit=after --property=PrivateTmp=yes --property=ProtectSystem=full sleep infinity").Succeeded();
        foreach (string service in (string[])["before", "after"])
        {
            string inside = $"nsenter --mount --target $(systemctl show --property=MainPID --value {service})";
            Assert.NotEqual(guest.Run("readlink /proc/1/ns/mnt").Output, guest.Run($"{inside} readlink /proc/self/ns/mnt").Output);
            guest.Run($"{inside} env {Random}").Succeeded();
            guest.Run($"systemctl stop {service}").Succeeded();
        }
    }

    [Fact]
    public void The_service_goes_with_its_tpm_without_a_trace_and_comes_back_with_it()
    {
        guest.UnplugTpm();
        guest.Until("! systemctl is-active --quiet tpmfs");
        AssertNothingIsLeft();
        Assert.Equal("inactive\n", guest.Run("systemctl is-failed tpmfs || true").Output);
        guest.PlugTpm();
        guest.RunAs("alice", Random).Succeeded();
    }

    [Fact]
    public void A_restart_and_a_reload_leave_one_mount_that_serves()
    {
        guest.Run("systemctl restart tpmfs", InstalledGuest.Slow).Succeeded();
        guest.Run("systemctl reload tpmfs", InstalledGuest.Slow).Succeeded();
        guest.RunAs("alice", Random).Succeeded();
        AssertOneMount();
    }

    [Theory]
    [InlineData("KILL")]
    [InlineData("STOP")]
    public void A_daemon_that_was_killed_or_hangs_is_started_anew(string signal)
    {
        // The watchdog's time is 30 s, which is a long time for a test.
        guest.Run("mkdir -p /run/systemd/system/tpmfs.service.d; printf '[Service]\\nWatchdogSec=5s\\n' >/run/systemd/system/tpmfs.service.d/test.conf; systemctl daemon-reload; systemctl restart tpmfs", InstalledGuest.Slow).Succeeded();
        guest.UntilServed();
        string before = guest.Run("systemctl show --property=MainPID --value tpmfs").Output.Trim();
        guest.Run($"kill -{signal} {before}").Succeeded();
        guest.Until($"[ \"$(systemctl show --property=MainPID --value tpmfs)\" != {before} ] && systemctl is-active --quiet tpmfs");
        guest.UntilServed();
        guest.RunAs("alice", Random).Succeeded();
        AssertOneMount();
        guest.Run("rm -r /run/systemd/system/tpmfs.service.d; systemctl daemon-reload; systemctl restart tpmfs", InstalledGuest.Slow).Succeeded();
        guest.UntilServed();
    }

    [Fact]
    public void The_sleep_hook_saves_and_wakes()
    {
        guest.Run("/lib/systemd/system-sleep/tpmfs pre suspend").Succeeded();
        Assert.Equal("suspended\n", guest.Run("cat /run/tpmfs/power").Output);
        guest.Run("/lib/systemd/system-sleep/tpmfs post suspend").Succeeded();
        Assert.Equal("awake\n", guest.Run("cat /run/tpmfs/power").Output);
        guest.RunAs("alice", Random).Succeeded();
    }

    [Fact]
    public void An_upgrade_goes_on_with_what_was_set_a_removal_leaves_nothing_running_and_a_purge_nothing_at_all()
    {
        guest.Run("mkdir /run/tpmfs/domains/web; echo 8 >/run/tpmfs/domains/web/objects.max; echo '// mine' >>/etc/tpmfs/tpmfs.json").Succeeded();
        string before = guest.Run("systemctl show --property=MainPID --value tpmfs").Output;
        guest.Run("""
            dpkg-deb --raw-extract /root/tpmfs.deb /var/tmp/newer
            sed -i 's/^Version: .*/&+newer/' /var/tmp/newer/DEBIAN/control
            dpkg-deb --build -Znone /var/tmp/newer /var/tmp/newer.deb
            """, InstalledGuest.Slow).Succeeded();
        guest.Run("dpkg --force-confold --install /var/tmp/newer.deb", InstalledGuest.Slow).Succeeded();
        guest.UntilServed();
        Assert.NotEqual(before, guest.Run("systemctl show --property=MainPID --value tpmfs").Output);
        Assert.Equal("8\n", guest.Run("cat /run/tpmfs/domains/web/objects.max").Output);
        Assert.Contains("// mine", guest.Run("cat /etc/tpmfs/tpmfs.json").Output, StringComparison.Ordinal);
        AssertOneMount();

        guest.Run("dpkg --remove tpmfs", InstalledGuest.Slow).Succeeded();
        AssertNothingIsLeft();
        guest.Run("test -e /etc/tpmfs/tpmfs.json && test -e /var/lib/tpmfs/state.json").Succeeded();

        guest.Run("dpkg --purge tpmfs", InstalledGuest.Slow).Succeeded();
        Assert.Equal("", guest.Run("find /etc /usr /var/lib /run -xdev -path '*tpmfs*' -not -path '/var/lib/dpkg/*'").Output);

        // As from nothing: the TPM that is there already is served by the installation alone.
        guest.Install();
        guest.UntilServed();
        guest.RunAs("alice", Random).Succeeded();
    }

    private void AssertOneMount() => Assert.Equal("1\n", guest.Run("grep --count tpmfs /proc/self/mountinfo").Output);

    private void AssertNothingIsLeft()
    {
        Assert.Equal("0\n", guest.Run("grep --count tpmfs /proc/self/mountinfo || true").Output);
        Assert.Equal("", guest.Run("pgrep --list-full --exact tpmfs || true").Output);
    }
}
