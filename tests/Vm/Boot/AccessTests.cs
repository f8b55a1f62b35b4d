using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>Who gets at the TPM, and who sees it: the mount is everybody's, whatever namespaces they have.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class AccessTests(InstalledDebian debian)
{
    /// <summary>
    /// What a hardened service has; each gives it a mount namespace. The last is what docs/containers.md says it needs.
    /// </summary>
    private const string Hardened =
        "-p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes -p PrivateDevices=yes -p "
            + "ReadWritePaths=-/run/tpmfs";

    private const string InsideContainer = "tpm2_getrandom --tcti=device:/dev/tpmrm0 --hex 8";

    private const string Bubblewrap = "bwrap --ro-bind / / --dev /dev";

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void A_member_of_tss_who_is_nobody_else_gets_random_bytes_from_the_tpm() =>
        Assert.Matches(
            "^[0-9a-f]{16}$",
            _machine.RunAs(InstalledDebian.Member, InstalledDebian.GetRandom).Succeeded().Output.Trim());

    [Fact]
    public void Who_is_no_member_is_refused()
    {
        Outcome outcome = _machine.RunAs(InstalledDebian.Stranger, InstalledDebian.GetRandom);
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains("Permission denied", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_raw_node_and_the_tpm_itself_are_not_for_members()
    {
        foreach (string node in new[] { "/run/tpmfs/raw0", "/dev/tpm0" })
        {
            Outcome outcome = _machine.RunAs(InstalledDebian.Member, $"sh -c 'exec 3<>{node}'");
            Assert.NotEqual(0, outcome.ExitCode);
            Assert.Contains("Permission denied", outcome.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Root_uses_the_raw_node() =>
        _machine.Run(InstalledDebian.GetRandom.Replace("rm0", "raw0", StringComparison.Ordinal)).Succeeded();

    [Fact]
    public void A_login_uses_the_node() =>
        Assert.Matches(
            "^[0-9a-f]{16}$",
            _machine.Ask($"runuser --login {InstalledDebian.Member} --command '{InstalledDebian.GetRandom}'"));

    [Fact]
    public void A_service_with_namespaces_of_its_own_uses_the_node() =>
        Assert.Matches(
            "^[0-9a-f]{16}$",
            _machine.Ask(
                $"systemd-run --quiet --wait --pipe --uid={InstalledDebian.Member} {Hardened} "
                + $"{InstalledDebian.GetRandom}"));

    [Fact]
    public void A_container_uses_a_node_that_is_bound_into_it() =>
        Assert.Matches(
            "^[0-9a-f]{16}$",
            _machine.RunAs(
                InstalledDebian.Member, $"{Bubblewrap} --dev-bind /run/tpmfs/rm0 /dev/tpmrm0 {InsideContainer}")
                .Succeeded().Output.Trim());

    [Fact]
    public void Services_and_containers_from_before_the_start_see_the_mount()
    {
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        _machine.Run($"""
            systemd-run --quiet --unit=hardened {Hardened} sleep infinity
            systemd-run --quiet --unit=container {Bubblewrap} sleep infinity
            systemctl start tpmfs.service
            """).Succeeded();
        try
        {
            foreach (string unit in new[] { "hardened", "container" })
            {
                string process = _machine.Ask($"tail -n 1 /sys/fs/cgroup/system.slice/{unit}.service/cgroup.procs");
                Assert.Matches(
                    "^[0-9a-f]{16}$", _machine.Ask($"nsenter --mount --target {process} {InstalledDebian.GetRandom}"));
            }
        }
        finally
        {
            _machine.Run("systemctl stop hardened.service container.service").Succeeded();
        }
    }
}
