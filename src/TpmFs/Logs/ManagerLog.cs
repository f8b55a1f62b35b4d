using Serilog;
using TpmFs.Rm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Logs;

/// <summary>What a TPM's resource manager has to say.</summary>
/// <param name="tpm">The TPM's number.</param>
internal sealed class ManagerLog(ILogger log, int tpm) : IResourceManagerLog
{
    public void TpmLost(string problem) =>
        log.Of(EventType.TpmLost).Error("TPM {Tpm} is not there and is tried again: {Problem}", tpm, problem);

    public void TpmFound(TpmFacts facts) => log.Of(EventType.TpmBack).Information(
        facts.Family == TpmFamily.Tpm12
            ? "TPM {Tpm} is there. It is a TPM 1.2, so it has no managed node: only raw access is possible"
            : "TPM {Tpm} is there",
        tpm);

    public void TpmBack(TpmReturn how) => log.Of(EventType.TpmBack).Warning(
        how switch
        {
            TpmReturn.Unchanged => "TPM {Tpm} is back, as it was",
            TpmReturn.Restarted =>
                "TPM {Tpm} is back after a restart: what was loaded in it is gone, what was saved is not",
            _ => "TPM {Tpm} is back after a reset: its openers' objects and sessions are gone",
        },
        tpm);

    public void SessionTaken(SpaceOwner from, TpmHandle session) => log.Of(EventType.SessionTaken).Warning(
        "TPM {Tpm} had no session left: {Session} was taken from user {Uid}, who had not used it for the longest time",
        tpm,
        Hex(session.Value),
        from.Uid);

    public void Fault(Exception exception) => log.Of(EventType.Fault)
        .Error(exception, "a command could not be carried out by TPM {Tpm}; this is a fault of tpmfs", tpm);

    private static string Hex(uint handle) => $"0x{handle:X8}";
}
