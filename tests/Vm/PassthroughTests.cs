using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests;

/// <summary>
/// A guest that has a node of the host's TpmFs as its TPM, by qemu's passthrough. Its firmware takes a TPM that is up
/// for broken, and tries to switch all hierarchies off, which are the host's.
/// </summary>
public sealed class PassthroughTests : IDisposable
{
    private const uint TpmProperties = 6, StartupClear = 0x201, AllHierarchies = 0b1111;

    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly Daemon _daemon;

    public PassthroughTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _daemon = new Daemon(_sandbox, _tpm.Tcti, _sandbox.MakeFolder("mnt"));
    }

    public void Dispose()
    {
        _daemon.Dispose();
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Theory]
    [InlineData("domains/vm/rm0")]
    [InlineData("rm0")]
    public void The_hosts_hierarchies_stay_on_the_host_goes_on_and_the_guest_has_a_TPM(string node)
    {
        _sandbox.Shell($"mkdir {_daemon.MountPoint}/domains/vm");
        using var agent = new Agent(_sandbox);
        Opener host = agent.Open(_daemon.Node);
        uint key = host.Transact(Tpm2.CreatePrimary()).NewHandle();

        using (var guest = new Guest(
            _sandbox, "-tpmdev",
            $"passthrough,id=tpm,path={_daemon.MountPoint}/{node},cancel-path=/dev/null",
            "-device", "tpm-tis,tpmdev=tpm"))
        {
            Assert.Matches("^[0-9a-f]{16}$", guest.Run(
                "tpm2_getrandom --tcti=device:/dev/tpm0 --hex 8").Succeeded().Output.Trim());
            Assert.Matches("^[0-9a-f]{16}$", guest.Run(
                "tpm2_getrandom --tcti=device:/dev/tpmrm0 --hex 8").Succeeded().Output.Trim());
            guest.Run("""
                export TPM2TOOLS_TCTI=device:/dev/tpm0
                cd /tmp
                tpm2_createprimary --quiet --key-context primary.ctx
                tpm2_flushcontext --transient-object
                tpm2_create --quiet --parent-context primary.ctx --public key.pub --private key.priv
                tpm2_flushcontext --transient-object
                """).Succeeded();

            // The guest's own resource manager understands what it is told of sessions that have ended.
            guest.Run("""
                export TPM2TOOLS_TCTI=device:/dev/tpmrm0
                cd /tmp
                for name in one two three four; do tpm2_createprimary --quiet --key-context $name.ctx; done
                for name in one two three four; do tpm2_readpublic --quiet --object-context $name.ctx; done
                """).Succeeded();
        }

        // The firmware has tried: otherwise this test shows nothing.
        Assert.Contains("refuses TPM2_HierarchyControl", _daemon.Printed, StringComparison.Ordinal);
        Assert.Equal(
            AllHierarchies,
            host.Transact(Tpm2.GetCapability(TpmProperties, StartupClear, 1)).Property() & AllHierarchies);
        host.Transact(Tpm2.ReadPublic(key)).Succeeded();
        agent.Dispose();
        _daemon.Stop();
    }
}
