using Microsoft.Win32.SafeHandles;
using Serilog;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Rm.Manager;
using TpmFs.Tpm;

namespace TpmFs.Host;

/// <summary>
/// Finds what a TPM's manager has from the daemon before: the connection, and the mirror of what it held.
/// </summary>
internal static class TpmInheritance
{
    /// <summary>
    /// Gives the transport the connection that there was, and sees that its connections are kept from now on.
    /// </summary>
    /// <param name="plan">The TPM.</param>
    /// <param name="isFlushed">True when the manager flushes what the TPM holds and the mirror does not have.</param>
    /// <param name="succession">What the daemon before left, and what this one leaves.</param>
    /// <param name="log">Is told what cannot be taken over.</param>
    /// <returns>The mirror in which the manager keeps what it holds; null where there is no memory for one.</returns>
    public static ManagerMirror? Open(TpmPlan plan, bool isFlushed, Succession succession, ILogger log)
    {
        string name = Succession.OfTpm(plan.Number);
        Dictionary<string, SafeFileHandle> descriptors = succession.Inherited.TakeAll(name + "-");
        ManagerMirror? mirror = OpenMirror(name, plan, succession, out string lost);
        if (mirror is not { IsAdopted: true } && (lost.Length > 0 || descriptors.Count > 0))
        {
            SayLost(plan.Number, lost.Length > 0 ? lost : "the record of it is not there", isFlushed, log);
        }

        if (descriptors.Count > 0)
        {
            if (plan.Transport.TryAdopt(descriptors, out string problem))
            {
                foreach (KeptDescriptor kept in plan.Transport.Kept)
                {
                    succession.Kept.KeepOn($"{name}-{kept.Name}", kept.Descriptor);
                }
            }
            else
            {
                log.Of(EventType.NotTakenOver).Warning(
                    "TPM {Number} is connected anew, because its connection cannot be taken over: {Problem}",
                    plan.Number, problem);
            }
        }

        // Not before: the service manager has what was taken over, and would have none of it for a moment.
        plan.Transport.WhenKeptChanges(Keep);
        return mirror;

        void Keep() => succession.Kept.KeepOnly(
            name + "-", plan.Transport.Kept.Select(kept => (kept.Name, kept.Descriptor)));
    }

    private static void SayLost(int tpm, string problem, bool isFlushed, ILogger log) =>
        log.Of(EventType.NotTakenOver).Warning(
            "what the daemon before held in TPM {Number} is not taken over: {Problem}. {Rest}", tpm, problem, isFlushed
                ? "It is flushed"
                : "It stays in the TPM and takes slots there, until the TPM is restarted, or tpmfs starts with "
                    + "\"flush_at_start\": true, which is for a TPM that nobody else uses");

    /// <param name="problem">Why records of the daemon before cannot be used; empty where there are none.</param>
    private static ManagerMirror? OpenMirror(string name, TpmPlan plan, Succession succession, out string problem)
    {
        OpenedMirror opened = succession.Mirrors.Open(name, plan.Way, ManagerMirror.Format, isThere: false);
        ManagerMirror? mirror = null;
        problem = "";
        if (opened.Store is { } store
            && !ManagerMirror.TryOpen(store, TimeProvider.System, out mirror, out problem)
            && succession.Mirrors.Begin(name, plan.Way, ManagerMirror.Format, isThere: false) is { } begun)
        {
            ManagerMirror.TryOpen(begun, TimeProvider.System, out mirror, out _);
        }

        problem = problem.Length > 0 ? problem : opened.Problem;
        return mirror;
    }
}
