using Serilog;
using TpmFs.Logs;

namespace TpmFs.HandOver;

/// <summary>
/// Ends this process so that the next one goes on: nothing is unmounted, no opener is ended, and the TPMs keep what
/// they hold.
/// </summary>
/// <param name="stopServing">
/// Ends what runs and reads no more requests. What is not over after a while is left to the next daemon as it is.
/// Returns when requests were served no more, as Stopwatch.GetTimestamp counts.
/// </param>
/// <param name="flushLog">Waits until the log is written.</param>
/// <param name="isAskedToEnd">True when a signal has asked this process to end.</param>
/// <param name="leaveSignals">Leaves the signals that come from now on to the program that is executed next.</param>
internal sealed class Departure(
    Func<long> stopServing, Action flushLog, Func<bool> isAskedToEnd, Action leaveSignals, ILogger log)
{
    /// <summary>Leaves to the service manager, which starts the next daemon.</summary>
    public void LeaveToServiceManager()
    {
        log.Of(EventType.HandedOver).Information(
            "tpmfs ends for the service manager to start it again; openers wait for that, and go on");
        _ = stopServing();
        flushLog();
        Environment.Exit(0);
    }

    /// <summary>
    /// Executes the successor in this process's place. Returns where the successor does not start on trial, in which
    /// case the daemon goes on serving, and where this process was asked to end meanwhile.
    /// </summary>
    public void LeaveTo(Successor successor, KeptDescriptors kept)
    {
        if (!successor.TryProbe(out string version, out string problem))
        {
            log.Of(EventType.HandedOver).Error(
                "tpmfs does not hand over, and goes on: {Problem}. Install the program again", problem);
            return;
        }

        if (isAskedToEnd())
        {
            return;
        }

        log.Of(EventType.HandedOver).Information("tpmfs hands over to the installed program, {Version}", version);
        long stoppedAt = stopServing();
        flushLog();
        leaveSignals();
        Errno error = successor.Execute(kept, stoppedAt);
        Console.Error.WriteLine($"tpmfs: the installed program cannot be executed: {error.Text()}; tpmfs ends");
        Environment.Exit(1);
    }
}
