namespace TpmFs.Vm.Tests.Boot;

/// <summary>tpmfs-replace.service: TpmFs's node in the place of /dev/tpmrm0, and the kernel's node after it.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class ReplaceTests(InstalledDebian debian)
{
    /// <summary>tpm2-tools with no word of where the TPM is: the library's default is /dev/tpmrm0.</summary>
    private const string Default = "tpm2_getrandom --hex 8";

    private const string Commands = "sed -n 's/^commands //p' /run/tpmfs/stat";

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void It_is_off_unless_it_is_enabled()
    {
        Assert.Equal("disabled", _machine.Run("systemctl is-enabled tpmfs-replace.service").Output.Trim());
        Assert.Equal("character special file", NodeType());
    }

    [Fact]
    public void Programs_with_the_path_built_in_use_it_until_it_is_disabled()
    {
        _machine.Run("systemctl enable --now tpmfs-replace.service").Succeeded();
        try
        {
            Assert.Equal("regular file 660 root tss", _machine.Ask("stat --format='%F %a %U %G' /dev/tpmrm0"));
            int before = Count();
            Assert.Matches("^[0-9a-f]{16}$", _machine.RunAs(InstalledDebian.Member, Default).Succeeded().Output.Trim());
            Assert.True(Count() > before);
            Assert.Contains(
                "/dev/tpmrm0", _machine.Ask("systemd-cryptenroll --tpm2-device=list"), StringComparison.Ordinal);

            // It goes on with the next daemon, whether the last one was stopped or killed.
            _machine.Run("systemctl restart tpmfs.service").Succeeded();
            AssertReplaced();
            _machine.Run("systemctl kill --signal=KILL tpmfs.service").Succeeded();
            _machine.Await("[ $(systemctl show --value --property=NRestarts tpmfs.service) -gt 0 ]");
            AssertReplaced();
        }
        finally
        {
            _machine.Run("systemctl disable --now tpmfs-replace.service").Succeeded();
        }

        Assert.Equal("character special file", NodeType());
        int after = Count();
        _machine.Run(Default).Succeeded();
        Assert.Equal(after, Count());
    }

    private void AssertReplaced()
    {
        _machine.Await("systemctl is-active tpmfs-replace.service");
        Assert.Equal("1", _machine.Ask("grep -c ' /dev/tpmrm0 fuse' /proc/mounts"));
        Assert.Matches("^[0-9a-f]{16}$", _machine.Ask(Default));
    }

    private string NodeType() => _machine.Ask("stat --format=%F /dev/tpmrm0");

    private int Count() => int.Parse(_machine.Ask(Commands), System.Globalization.CultureInfo.InvariantCulture);
}
