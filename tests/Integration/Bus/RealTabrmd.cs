using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>Debian's tpm2-abrmd, for comparison.</summary>
internal static class RealTabrmd
{
    /// <summary>Starts it on a TPM, and waits until it has its name.</summary>
    public static ChildProcess Start(Sandbox sandbox, MessageBus bus, SoftwareTpm tpm)
    {
        ChildProcess process = sandbox.Start(
            User.Root, [.. bus.Words, "/usr/sbin/tpm2-abrmd", "--allow-root", $"--tcti={tpm.Tcti}"]);
        bus.WaitForOwner(BusMount.Name);
        return process;
    }
}
