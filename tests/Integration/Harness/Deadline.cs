using System.Diagnostics;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>Bounds all waits of these tests.</summary>
internal static class Deadline
{
    /// <summary>
    /// For a step that takes milliseconds on an idle machine; generous, since the machine may be a loaded one.
    /// </summary>
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(30);

    /// <summary>For a client that runs to its end.</summary>
    public static readonly TimeSpan Client = TimeSpan.FromSeconds(120);

    /// <summary>Waits, and fails with what was waited for and <paramref name="evidence"/>.</summary>
    public static T Wait<T>(this Task<T> task, string what, Func<string>? evidence = null, TimeSpan? limit = null)
    {
        if (!Task.WaitAny([task], limit ?? Step).Equals(0))
        {
            throw new TimeoutException($"No {what} within {(limit ?? Step).TotalSeconds:0} s.\n{evidence?.Invoke()}");
        }

        return task.GetAwaiter().GetResult();
    }

    /// <summary>Looks every few milliseconds, for what nobody signals: another process, the mount table.</summary>
    public static void Poll(Func<bool> condition, string what, Func<string>? evidence = null, TimeSpan? limit = null)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed > (limit ?? Step))
            {
                throw new TimeoutException(
                    $"Not within {(limit ?? Step).TotalSeconds:0} s: {what}.\n{evidence?.Invoke()}");
            }

            Thread.Sleep(10);
        }
    }
}
