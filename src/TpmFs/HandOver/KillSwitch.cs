#if KILL_SWITCH
using System.Globalization;

namespace TpmFs.HandOver;

/// <summary>
/// In a build for tests alone (make killswitch): kills the process right after one of the first writes to a mirror, at
/// random, as many as TPMFS_KILL_WITHIN says.
/// </summary>
internal static class KillSwitch
{
    private static int s_left = int.TryParse(
        Environment.GetEnvironmentVariable("TPMFS_KILL_WITHIN"), NumberStyles.None, CultureInfo.InvariantCulture,
        out int most) ? Random.Shared.Next(most) : int.MaxValue;

    /// <summary>Is called after each write.</summary>
    public static void Count()
    {
        if (Interlocked.Decrement(ref s_left) == 0)
        {
            _ = ProcessCalls.Kill(Environment.ProcessId, ProcessCalls.SigKill);
            Thread.Sleep(Timeout.Infinite); // The signal may be for another thread.
        }
    }
}
#endif
