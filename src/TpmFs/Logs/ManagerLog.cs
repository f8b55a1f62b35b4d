using Serilog;
using TpmFs.Rm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Logs;

/// <summary>What a TPM's resource manager has to say.</summary>
internal sealed class ManagerLog(ILogger log) : IResourceManagerLog
{
    public void TpmLost(string problem) => log.Of(EventType.TpmLost).Error("the TPM is lost and is tried again: {Problem}", problem);

    public void TpmBack(TpmReturn how) => log.Of(EventType.TpmBack).Warning(
        how switch
        {
            TpmReturn.Unchanged => "the TPM is back, as it was",
            TpmReturn.Restarted => "the TPM is back after a restart: what was loaded in it is gone, what was saved is not",
            _ => "the TPM is back after a reset: its openers' objects and sessions are gone",
        });

    public void SessionTaken(SpaceOwner from, TpmHandle session) => log.Of(EventType.SessionTaken).Warning(
        "the TPM had no session left: {Session} was taken from user {Uid}, who had not used it for the longest time",
        Hex(session.Value),
        from.Uid);

    public void Fault(Exception exception) => log.Of(EventType.Fault).Error(exception, "the resource manager could not do what it was about to do; this is a fault of tpmfs");

    private static string Hex(uint handle) => $"0x{handle:X8}";
}
