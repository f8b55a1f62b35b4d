using System.Diagnostics.CodeAnalysis;
using TpmFs.Rm.Channel;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Watches the first command of each opener. When such a command has waited too long, for other commands or for a TPM
/// that puts it off, it asks the queue to answer the command from the reserve. Any thread.
/// </summary>
internal sealed class ProbeRescue : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Queue<(PendingCommand Command, long Due)> _watched = [];
    private readonly TimeProvider _time;
    private readonly Action<PendingCommand> _rescue;
    private readonly ITimer _timer;

    /// <param name="rescue">Called with a first command that may still wait. No lock is held during the call.</param>
    public ProbeRescue(TimeProvider time, Action<PendingCommand> rescue)
    {
        _time = time;
        _rescue = rescue;
        _timer = time.CreateTimer(_ => RescueDue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Watch(PendingCommand first)
    {
        lock (_lock)
        {
            _watched.Enqueue(
                (first,
                    _time.GetTimestamp() + (long)(TimeLimits.ProbePatience.TotalSeconds * _time.TimestampFrequency)));
            if (_watched.Count == 1)
            {
                _timer.Change(TimeLimits.ProbePatience, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    private void RescueDue()
    {
        while (TryTakeDue(out PendingCommand? due))
        {
            _rescue(due);
        }
    }

    private bool TryTakeDue([NotNullWhen(true)] out PendingCommand? due)
    {
        lock (_lock)
        {
            due = null;
            if (!_watched.TryPeek(out (PendingCommand Command, long Due) first))
            {
                return false;
            }

            TimeSpan left = _time.GetElapsedTime(_time.GetTimestamp(), first.Due);
            if (left > TimeSpan.Zero)
            {
                _timer.Change(left + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
                return false;
            }

            due = _watched.Dequeue().Command;
            return true;
        }
    }
}
