using Microsoft.Win32.SafeHandles;
using Serilog;
using TpmFs.HandOver;
using TpmFs.Logs;
using TpmFs.Rm.Manager;
using TpmFs.Tpm;

namespace TpmFs.Host;

/// <summary>What a TPM's manager has from the daemon before: the connection, and the mirror of what it held.</summary>
internal static class TpmInheritance
{
    /// <summary>
    /// Gives the transport the connection that there was, and sees that its connections are kept from now on.
    /// </summary>
    /// <returns>The mirror in which the manager keeps what it holds; null where there is no memory for one.</returns>
    public static ManagerMirror? Open(TpmPlan plan, Succession succession, ILogger log)
    {
        string name = Succession.OfTpm(plan.Number);
        ManagerMirror? mirror = OpenMirror(name, plan, succession, log);
        Dictionary<string, SafeFileHandle> descriptors = succession.Inherited.TakeAll(name + "-");
        plan.Transport.WhenKeptChanges(Keep);
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

        return mirror;

        void Keep() => succession.Kept.KeepOnly(
            name + "-", plan.Transport.Kept.Select(kept => (kept.Name, kept.Descriptor)));
    }

    private static ManagerMirror? OpenMirror(string name, TpmPlan plan, Succession succession, ILogger log)
    {
        OpenedMirror opened = succession.Mirrors.Open(name, plan.Way, ManagerMirror.Format, isThere: false);
        string problem = opened.Problem;
        ManagerMirror? mirror = null;
        if (opened.Store is { } store
            && !ManagerMirror.TryOpen(store, TimeProvider.System, out mirror, out problem)
            && succession.Mirrors.Begin(name, plan.Way, ManagerMirror.Format, isThere: false) is { } begun)
        {
            ManagerMirror.TryOpen(begun, TimeProvider.System, out mirror, out _);
        }

        problem = problem.Length > 0 ? problem : opened.Problem;
        if (problem.Length > 0)
        {
            log.Of(EventType.NotTakenOver).Warning(
                "what the daemon before held in TPM {Number} is not taken over: {Problem}", plan.Number, problem);
        }

        return mirror;
    }
}
