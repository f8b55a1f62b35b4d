using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// A root filesystem that was enrolled by TpmFs's node is unlocked in the initramfs, where there is no TpmFs: by
/// systemd, through the kernel's node of the same TPM. The TPM is a chip of the virtual machine, which two boots have.
/// </summary>
public sealed class EarlyBootTests : IDisposable
{
    private const string Volume = "a4d7b1d4-7a36-4f8e-9f43-1d7a4c1b6a10";
    private const string Node = "/run/tpmfs/rm0";

    private static readonly TimeSpan s_bootLimit = TimeSpan.FromMinutes(10);

    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-early-").FullName;

    private string Disk => Path.Combine(_folder, "encrypted");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_was_enrolled_by_TpmFs_is_unlocked_in_the_initramfs_by_the_kernels_node()
    {
        using (FileStream file = File.Create(Disk))
        {
            file.SetLength(64 << 20);
        }

        Directory.CreateDirectory(Path.Combine(_folder, "state"));
        InstallAndEnroll();
        string console = BootFromTheEncryptedDisk();
        Assert.Contains("/dev/mapper/early / ext4", console, StringComparison.Ordinal);
        Assert.Contains("the secret is 42", console, StringComparison.Ordinal);
        Assert.Contains("TpmFs in the initramfs: none", console, StringComparison.Ordinal);
    }

    /// <summary>Encrypts a disk so that nothing but the TPM unlocks it, and puts on it what a root needs.</summary>
    private void InstallAndEnroll()
    {
        string system = Path.Combine(_folder, "system");
        DebianGuest.MakeDisk(system);
        using ChildProcess tpm = StartTpm();
        using var guest = new DebianGuest(system, Hardware);
        guest.Run($"apt-get install --yes {DebianGuest.PathOf(Packages.Built)}", s_bootLimit).Succeeded();
        guest.AwaitService("active");
        Assert.Contains("device:/dev/tpm0", guest.Ask("tpmfs status"), StringComparison.Ordinal);
        guest.Run($$"""
            modprobe dm_crypt
            printf secret | cryptsetup luksFormat --batch-mode --uuid={{Volume}} \
                --pbkdf=pbkdf2 --pbkdf-force-iterations=1000 /dev/vdb -
            PASSWORD=secret systemd-cryptenroll --tpm2-device={{Node}} --tpm2-pcrs=7 --wipe-slot=password /dev/vdb
            ! printf secret | cryptsetup open --test-passphrase /dev/vdb --key-file=-
            /lib/systemd/systemd-cryptsetup attach early /dev/vdb none tpm2-device={{Node}},headless=true
            mkfs.ext4 -q /dev/mapper/early
            mount /dev/mapper/early /mnt
            mkdir -p /mnt/etc /mnt/bin /mnt/sbin /mnt/proc /mnt/sys /mnt/dev /mnt/run /mnt/usr
            cp /bin/busybox /mnt/bin
            cp /etc/os-release /mnt/etc
            echo 'the secret is 42' >/mnt/secret
            cat >/mnt/sbin/init <<'END'
            #!/bin/busybox sh
            /bin/busybox grep ' / ' /proc/mounts >/dev/console
            /bin/busybox cat /secret >/dev/console
            echo "TpmFs in the initramfs: $(/bin/busybox grep tpmfs /proc/mounts || echo none)" >/dev/console
            /bin/busybox poweroff -f
            END
            chmod +x /mnt/sbin/init
            umount /mnt
            /lib/systemd/systemd-cryptsetup detach early
            """, Deadline.Client).Succeeded();
        guest.PowerOff();
    }

    /// <returns>What the machine printed until it switched itself off.</returns>
    private string BootFromTheEncryptedDisk()
    {
        string kernel = Path.Combine(Guest.Scripts, "obj", "guest");
        string initramfs = Path.Combine(_folder, "initramfs");
        using (var preparation = new ChildProcess(
            [Path.Combine(Guest.Scripts, "guest", "prepare-early"), DebianGuest.Prepare(), kernel, initramfs]))
        {
            preparation.Wait(Deadline.Client).Succeeded();
        }

        using ChildProcess tpm = StartTpm();
        using var machine = new ChildProcess([
            Path.Combine(Guest.Scripts, "guest", "boot"), kernel, Path.Combine(_folder, "agent"), "none", "/",
            "-drive", $"file={Path.Combine(_folder, "system")},format=raw,if=virtio",
            .. Hardware,
            "-initrd", initramfs,
            "-append", $"console=ttyS0 panic=-1 root=/dev/mapper/early rd.luks.name={Volume}=early "
                + $"rd.luks.options={Volume}=tpm2-device=auto,headless=true rd.shell=0 rd.emergency=poweroff",
        ]);
        return machine.Wait(s_bootLimit).Succeeded().Output;
    }

    /// <summary>Gets what both boots have: the TPM, and the encrypted disk, which is /dev/vdb.</summary>
    private string[] Hardware =>
    [
        "-drive", $"file={Disk},format=raw,if=virtio",
        "-chardev", $"socket,id=tpm,path={Path.Combine(_folder, "tpm")}", "-tpmdev", "emulator,id=tpm,chardev=tpm",
        "-device", "tpm-tis,tpmdev=tpm",
    ];

    private ChildProcess StartTpm()
    {
        string control = Path.Combine(_folder, "tpm");
        File.Delete(control);
        var tpm = new ChildProcess([
            "swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", $"dir={Path.Combine(_folder, "state")}",
            "--ctrl", $"type=unixio,path={control}",
        ]);
        Deadline.Poll(() => File.Exists(control) || tpm.HasExited, "a TPM", tpm.Describe);
        return tpm;
    }
}
