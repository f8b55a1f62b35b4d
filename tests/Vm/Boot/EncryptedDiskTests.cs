using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// A disk's key that is sealed by one node is opened by the other: disks are enrolled while TpmFs runs, and unlocked at
/// boot when it does not run yet.
/// </summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class EncryptedDiskTests(InstalledDebian debian)
{
    private const string Managed = "/run/tpmfs/rm0", Kernels = "/dev/tpmrm0";

    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void What_was_enrolled_by_TpmFs_is_unlocked_by_the_kernels_node_before_TpmFs_starts()
    {
        Enroll(Managed);
        _machine.Run("systemctl stop tpmfs.service").Succeeded();
        try
        {
            Unlock(Kernels);
        }
        finally
        {
            _machine.Run("systemctl start tpmfs.service").Succeeded();
        }
    }

    [Theory]
    [InlineData(Managed, Kernels)]
    [InlineData(Kernels, Managed)]
    public void The_two_nodes_are_used_side_by_side(string enrolling, string unlocking)
    {
        Enroll(enrolling);
        Unlock(unlocking);
    }

    /// <summary>Makes a volume in a file, and has the TPM keep a key of it.</summary>
    private void Enroll(string node) => _machine.Run($"""
        cd /root
        rm -f disk
        truncate --size=32M disk
        printf secret | cryptsetup luksFormat --batch-mode --pbkdf=pbkdf2 --pbkdf-force-iterations=1000 disk -
        PASSWORD=secret systemd-cryptenroll --tpm2-device={node} --tpm2-pcrs=7 disk
        """, Deadline.Client).Succeeded();

    /// <summary>Unlocks it as systemd does at boot, without a passphrase.</summary>
    private void Unlock(string node) => _machine.Run($"""
        modprobe dm_crypt
        /lib/systemd/systemd-cryptsetup attach early /root/disk none tpm2-device={node},headless=true
        [ -b /dev/mapper/early ]
        /lib/systemd/systemd-cryptsetup detach early
        """, Deadline.Client).Succeeded();
}
