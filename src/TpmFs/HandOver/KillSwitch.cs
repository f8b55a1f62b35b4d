#if KILL_SWITCH
using System.Globalization;

namespace TpmFs.HandOver;

/// <summary>
/// Kills the process right after one of the first writes to a mirror, in a build for tests alone (make killswitch):
/// after a random one of as many as TPMFS_KILL_WITHIN says. Or right after the n-th write since a test put the number n
/// into the file that TPMFS_KILL_ORDER names; the process takes that file away.
/// </summary>
internal static class KillSwitch
{
    private static int s_left = int.TryParse(
        Environment.GetEnvironmentVariable("TPMFS_KILL_WITHIN"), NumberStyles.None, CultureInfo.InvariantCulture,
        out int most) ? Random.Shared.Next(most) : int.MaxValue;

    private static readonly string? s_order = Environment.GetEnvironmentVariable("TPMFS_KILL_ORDER");

    /// <summary>Called after each write.</summary>
    public static void Count()
    {
        if (File.Exists(s_order))
        {
            TakeOrder(s_order);
        }

        if (Interlocked.Decrement(ref s_left) == 0)
        {
            _ = ProcessCalls.Kill(Environment.ProcessId, ProcessCalls.SigKill);
            Thread.Sleep(Timeout.Infinite); // The signal may be for another thread.
        }
    }

    private static void TakeOrder(string order)
    {
        try
        {
            string taken = $"{order}.taken";
            File.Move(order, taken, overwrite: true);
            Volatile.Write(ref s_left, int.Parse(File.ReadAllText(taken), CultureInfo.InvariantCulture));
        }
        catch (FileNotFoundException)
        {
            // Another thread took it.
        }
    }
}
#endif
