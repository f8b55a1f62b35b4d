using Serilog;
using TpmFs.Configuration;

namespace TpmFs.Host;

/// <summary>The daemon's TPMs, by their numbers.</summary>
internal sealed class ServedTpms(IReadOnlyList<ServedTpm> all) : IDisposable
{
    /// <summary>How long the daemon waits for its TPMs before it serves those that are there.</summary>
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(25);

    public IReadOnlyList<ServedTpm> All => all;

    /// <summary>
    /// Starts them all at the same time. A TPM that is not there is waited for while the others are served. False with
    /// why where that makes no sense: none is there, and none is of a kind that may appear by itself, as a device does.
    /// </summary>
    public static bool TryStart(
        IReadOnlyList<TpmPlan> plans, Settings settings, ILogger log, out ServedTpms tpms, out string problem)
    {
        ServedTpm[] all = [.. plans.Select(plan => new ServedTpm(plan, settings, log))];
        tpms = new ServedTpms(all);
        Task<string>[] starts = Array.ConvertAll(all, tpm => tpm.StartAsync());
        Task.WaitAll(starts, s_startPatience);
        if (starts.Any(start => !start.IsCompleted || start.Result.Length == 0)
            || plans.Any(plan => plan.Spec.MayAppear))
        {
            Array.ForEach(all, tpm => tpm.ServeInAnyCase());
            problem = "";
            return true;
        }

        problem = string.Join('\n', starts.Select(start => start.Result));
        tpms.Dispose();
        return false;
    }

    /// <summary>
    /// Ends what runs and gives the TPMs back, all at the same time; what is done already is not done again.
    /// </summary>
    public void Dispose() => Task.WaitAll([.. all.Select(tpm => Task.Run(tpm.Dispose))]);
}
