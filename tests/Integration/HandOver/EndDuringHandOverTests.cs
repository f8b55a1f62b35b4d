using System.Diagnostics;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// The daemon is told to end while it hands over to the next program: it unmounts and ends, as at any other time.
/// </summary>
public sealed class EndDuringHandOverTests : KeptServiceTests
{
    /// <summary>128 and the signal, as a shell tells of a process that a signal ended.</summary>
    private const int EndedByDefault = 128 + Signals.Term;

    /// <summary>How many daemons are told to end, each at another moment.</summary>
    private const int Moments = 40;

    /// <summary>From before the old program decides, to after the new one serves.</summary>
    private static readonly TimeSpan s_handOver = TimeSpan.FromMilliseconds(600);

    /// <summary>
    /// Regression: the signal was lost where it came after the old program had decided to hand over, and killed the
    /// process where it came before the new one handled signals, so that a dead mount was left.
    /// </summary>
    [Fact]
    public void It_ends_at_whichever_moment_of_a_hand_over_it_is_told_to()
    {
        string mountPoint = Sandbox.MakeFolder("mnt");
        int dead = 0;
        for (int moment = 0; moment < Moments; moment++)
        {
            TimeSpan pause = s_handOver * moment / Moments;
            using var daemon = new Daemon(Sandbox, $"swtpm:path={Proxy.Socket}", mountPoint);
            daemon.Send(Signals.User2);
            var clock = Stopwatch.StartNew();
            while (clock.Elapsed < pause)
            {
                Thread.Yield();
            }

            daemon.Send(Signals.Term);
            int code = daemon.Wait().ExitCode;
            Assert.True(code is 0 or EndedByDefault, $"{pause.TotalMilliseconds} ms: {daemon.Describe()}");
            dead += code == 0 ? 0 : 1;
            bool isMounted = Sandbox.FuseMounts.Contains(mountPoint);
            Assert.True(isMounted == (code != 0), $"{pause.TotalMilliseconds} ms: {daemon.Describe()}");
        }

        Assert.InRange(dead, 0, 1); // The moment in which the signal has its default effect is a short one.
    }
}
