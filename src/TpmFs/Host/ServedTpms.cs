namespace TpmFs.Host;

/// <summary>The daemon's TPMs, by their numbers.</summary>
internal sealed class ServedTpms(IReadOnlyList<ServedTpm> all) : IDisposable
{
    /// <summary>The time for which the daemon waits for its TPMs before it serves those that are there.</summary>
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(25);

    public IReadOnlyList<ServedTpm> All => all;

    /// <summary>
    /// Starts them all at the same time. A TPM that is not there is waited for while the others are served. False with
    /// why where that makes no sense: none is there, and none is of a kind that may appear by itself, as a device does.
    /// </summary>
    public bool TryStart(out string problem)
    {
        Task<string>[] starts = [.. all.Select(tpm => tpm.StartAsync())];
        Task.WaitAll(starts, s_startPatience);
        if (starts.Any(start => !start.IsCompleted || start.Result.Length == 0)
            || all.Any(tpm => tpm.Plan.Spec.MayAppear))
        {
            ServeInAnyCase();
            problem = "";
            return true;
        }

        problem = string.Join('\n', starts.Select(start => start.Result));
        Dispose();
        return false;
    }

    /// <summary>
    /// Begins to start them, and does not wait: openers of the daemon before are there, who wait for their answers.
    /// </summary>
    public void GoOn()
    {
        foreach (ServedTpm tpm in all)
        {
            _ = tpm.StartAsync();
        }

        ServeInAnyCase();
    }

    /// <summary>Ends what runs, and leaves everything to the next daemon.</summary>
    public void Halt() => Task.WaitAll([.. all.Select(tpm => Task.Run(tpm.Halt))]);

    /// <summary>
    /// Ends what runs and gives the TPMs back, all at the same time; what is done already is not done again.
    /// </summary>
    public void Dispose() => Task.WaitAll([.. all.Select(tpm => Task.Run(tpm.Dispose))]);

    private void ServeInAnyCase()
    {
        foreach (ServedTpm tpm in all)
        {
            tpm.ServeInAnyCase();
        }
    }
}
