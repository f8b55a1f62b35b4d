using System.Collections.Concurrent;
using System.Diagnostics;

namespace TpmFs.Os;

/// <summary>
/// Makes calls that may take for ever on threads of its own, so that no caller waits for one longer than it likes. Any
/// thread.
/// </summary>
/// <param name="name">The threads' name.</param>
/// <param name="threads">The number of threads. When all are busy, a call is not made.</param>
/// <param name="maxRest">
/// The longest time for which a thread makes no call after a slow one. It rests for 200 times as long as the call took,
/// so that slow calls do not keep the callers waiting all the time.
/// </param>
internal sealed class BoundedCalls(string name, int threads, TimeSpan maxRest)
{
    private const int RestFactor = 200;
    private static readonly TimeSpan s_slow = TimeSpan.FromMilliseconds(1);

    private readonly BlockingCollection<Action> _calls = [];
    private int _started;
    private int _free;

    /// <summary>Makes a call.</summary>
    /// <param name="limit">The time that the caller waits.</param>
    /// <param name="call">The call. It may run on after this method has returned.</param>
    /// <returns>Null when the call returned null or failed, was not made, or is late.</returns>
    public T? Run<T>(TimeSpan limit, Func<T?> call)
        where T : class
    {
        if (!TryTakeThread())
        {
            return null;
        }

        var answer = new TaskCompletionSource<T?>();
        _calls.Add(() =>
        {
            long begun = Stopwatch.GetTimestamp();
            try
            {
                answer.SetResult(call());
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                answer.SetResult(null);
            }

            if (Stopwatch.GetElapsedTime(begun) is var taken && taken > s_slow)
            {
                Thread.Sleep(taken * RestFactor < maxRest ? taken * RestFactor : maxRest);
            }
        });
        return answer.Task.Wait(limit) ? answer.Task.Result : null;
    }

    private bool TryTakeThread()
    {
        lock (_calls)
        {
            if (_free > 0)
            {
                _free--;
                return true;
            }

            if (_started == threads)
            {
                return false;
            }

            _started++;
        }

        new Thread(Work) { IsBackground = true, Name = name }.Start();
        return true;
    }

    private void Work()
    {
        foreach (Action call in _calls.GetConsumingEnumerable())
        {
            call();
            lock (_calls)
            {
                _free++;
            }
        }
    }
}
