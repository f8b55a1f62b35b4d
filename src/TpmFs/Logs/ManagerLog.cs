using Serilog;
using TpmFs.Rm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Logs;

/// <summary>Logs the events of a TPM's resource manager.</summary>
/// <param name="tpm">The TPM's number.</param>
internal sealed class ManagerLog(ILogger log, int tpm) : IResourceManagerLog
{
    public void TpmLost(string problem) =>
        log.Of(EventType.TpmLost)
            .Error("TPM {Tpm} is not there; tpmfs tries it again and again: {Problem}", tpm, problem);

    public void TpmFound(TpmFacts facts) => log.Of(EventType.TpmBack).Information(
        facts.Family == TpmFamily.Tpm12
            ? "TPM {Tpm} is there. It is a TPM 1.2, so it has a raw node only, and no managed one"
            : "TPM {Tpm} is there",
        tpm);

    public void TpmBack(TpmReturn how) => log.Of(EventType.TpmBack).Warning(
        how switch
        {
            TpmReturn.Unchanged => "TPM {Tpm} is back; it has kept everything that its openers had in it",
            TpmReturn.Restarted =>
                "TPM {Tpm} is back after a restart: it has lost what was loaded in it, and kept what was saved",
            _ => "TPM {Tpm} is back after a reset: the objects and sessions of its openers are gone",
        },
        tpm);

    public void SessionTaken(SpaceOwner from, TpmHandle session) => log.Of(EventType.SessionTaken)
        .ForContext(LogShares.DomainProperty, from.Group.Name.Split(':')[0]) // root:UID for a user of the shared nodes
        .Warning(
            "TPM {Tpm} had no session left, so user {Uid} lost session {Session}, which that user had not used for the "
                + "longest time",
            tpm,
            from.Uid,
            Hex(session.Value));

    public void Fault(Exception exception) => log.Of(EventType.Fault)
        .Error(exception, "a command to TPM {Tpm} failed with EIO: this is a fault of tpmfs, which goes on", tpm);

    private static string Hex(uint handle) => $"0x{handle:X8}";
}
