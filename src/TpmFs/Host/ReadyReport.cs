using Serilog;
using TpmFs.Logs;
using TpmFs.Rm;

namespace TpmFs.Host;

/// <summary>Says that the TPMs are served, and of each what it is.</summary>
internal static class ReadyReport
{
    /// <summary>Logs it, and tells a person at a terminal how to try it.</summary>
    public static void Say(IReadOnlyList<ServedTpm> tpms, string mountPoint, ILogger log)
    {
        foreach (ServedTpm tpm in tpms)
        {
            Say(tpm, mountPoint, log);
        }

        if (!Console.IsOutputRedirected && tpms.FirstOrDefault(tpm => tpm.Port.CanBeManaged) is { } first)
        {
            Console.WriteLine("Try it from another terminal (Ctrl-C here unmounts):");
            Console.WriteLine($"  TPM2TOOLS_TCTI=device:{mountPoint}/{first.Port.ManagedName} tpm2_getrandom --hex 8");
        }
    }

    private static void Say(ServedTpm tpm, string mountPoint, ILogger log)
    {
        (string? managed, string? raw) = (tpm.Port.ManagedName, tpm.Port.RawName);
        switch (tpm.Port.Facts.Family)
        {
            case TpmFamily.Tpm20:
                log.Of(EventType.Ready)
                    .Information("{MountPoint}/{Node} is ready; its TPM is {Way}", mountPoint, managed, tpm.Plan.Way);
                break;
            case TpmFamily.Tpm12:
                log.Of(EventType.Ready).Warning(
                    "{MountPoint}/{Node} is ready. Its TPM, {Way}, is a TPM 1.2, whose handles tpmfs cannot manage, so "
                        + "there is no {Missing}",
                    mountPoint,
                    raw,
                    tpm.Plan.Way,
                    managed);
                break;
            default:
                log.Of(EventType.TpmLost)
                    .Warning(
                        "{MountPoint}/{Node} waits for its TPM, {Way}: {Problem}", mountPoint, managed, tpm.Plan.Way,
                        tpm.Status.Problem);
                break;
        }
    }
}
