namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// The installed service, with the few rights that its unit leaves it, keeps the list of domains for container engines.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class ContainerListTests(InstalledDebian debian)
{
    private const string File = "/run/cdi/tpmfs.json";

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void A_domain_is_in_the_list_from_mkdir_to_rmdir_and_over_a_restart_and_all_users_may_read_it()
    {
        string start = _machine.Now();
        _machine.Run("mkdir /run/tpmfs/domains/listed").Succeeded();
        _machine.Await($"grep --quiet '\"listed\"' {File}");
        Assert.Equal("755 root\n644 root", _machine.Ask($"stat --format '%a %U' /run/cdi {File}"));
        _machine.RunAs(InstalledDebian.Stranger, $"grep /run/tpmfs/domains/listed/rm0 {File}").Succeeded();

        string before = _machine.Show("MainPID");
        _machine.Run("systemctl restart tpmfs.service").Succeeded();
        Assert.NotEqual(before, _machine.Show("MainPID"));
        Assert.Contains("\"listed\"", _machine.Ask($"cat {File}"), StringComparison.Ordinal);

        _machine.Run("rmdir /run/tpmfs/domains/listed").Succeeded();
        _machine.Await($"[ ! -e {File} ]");
        Assert.DoesNotContain("container engines", _machine.Log(start), StringComparison.Ordinal);
    }

    [Fact]
    public void The_list_goes_when_the_service_is_stopped()
    {
        _machine.Run("mkdir /run/tpmfs/domains/listed").Succeeded();
        try
        {
            _machine.Await($"grep --quiet '\"listed\"' {File}");
            _machine.Run("systemctl stop tpmfs.service").Succeeded();
            Assert.NotEqual(0, _machine.Run($"[ -e {File} ]").ExitCode);
        }
        finally
        {
            _machine.Run("systemctl start tpmfs.service; rmdir /run/tpmfs/domains/listed").Succeeded();
        }
    }
}
