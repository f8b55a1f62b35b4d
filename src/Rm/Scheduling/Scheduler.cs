using System.Runtime.CompilerServices;
using TpmFs.Rm.Sessions;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Whose command is next: fair among domains by their weights and the TPM's time that they used, fair among the openers
/// of a domain, and within an opener there is only one. Not synchronised: its owner holds its lock.
/// </summary>
internal sealed class Scheduler(TimeProvider time)
{
    /// <summary>
    /// What a command costs at the least. One that needs no TPM would otherwise cost nothing, and a few openers that
    /// send nothing else would be first for ever.
    /// </summary>
    private static readonly TimeSpan s_leastCost = TimeSpan.FromMicroseconds(100);

    private readonly FairQueue<GroupShare> _groups = new();
    private readonly ConditionalWeakTable<SchedulingGroup, GroupShare> _shares = [];
    private readonly List<PendingCommand> _parked = [];
    private readonly List<PendingCommand> _sessionWaiters = [];

    private int _queued;
    private int _lent;

    /// <summary>
    /// True when threads are to be lent for all commands that wait for their turn, and none waits for anything else.
    /// </summary>
    public bool HasOnlyLent => _lent > 0 && _queued == _lent && _parked.Count + _sessionWaiters.Count == 0;

    /// <summary>The owners of the spaces whose commands wait for a session; one for each command.</summary>
    public SpaceOwner[] SessionWaiters =>
        _sessionWaiters.Count == 0 ? [] : [.. _sessionWaiters.Select(waiting => waiting.Space.Owner)];

    /// <summary>Commands that are not running.</summary>
    public IEnumerable<PendingCommand> Waiting =>
        _shares.SelectMany(share => share.Value.Commands.Items).Concat(_parked).Concat(_sessionWaiters);

    public void Enqueue(PendingCommand arrived)
    {
        arrived.State = CommandState.Queued;
        GroupShare group = ShareOf(arrived);
        group.Commands.Enqueue(arrived);
        _queued++;
        _lent += arrived.IsLent ? 1 : 0;
        List(group);
    }

    /// <summary>The next command to run; it is the caller's until <see cref="Served"/>.</summary>
    public bool TryTake(out PendingCommand next)
    {
        WakeDue();
        while (_groups.TryDequeue(out GroupShare group))
        {
            group.IsListed = false;
            if (group.Commands.TryDequeue(out next))
            {
                NoLongerQueued(next);
                group.IsInService = true;
                next.State = CommandState.Running;
                next.Begun ??= time.GetTimestamp();
                return true;
            }
        }

        next = null!;
        return false;
    }

    /// <summary>The command that was taken has used this much of the TPM's time.</summary>
    public void Served(PendingCommand served, TimeSpan used)
    {
        GroupShare group = ShareOf(served);
        double cost = Math.Max(used.TotalMicroseconds, s_leastCost.TotalMicroseconds);
        FairQueue<PendingCommand>.Charge(served, cost, weight: 1);
        FairQueue<GroupShare>.Charge(group, cost, Math.Max(served.Space.Owner.Group.Weight, 1));
        group.IsInService = false;
        List(group);
    }

    /// <summary>The command is to be tried again after <paramref name="delay"/>.</summary>
    public void Park(PendingCommand parked, TimeSpan delay)
    {
        ParkUntil(parked, delay);
        _parked.Add(parked);
    }

    /// <summary>
    /// The command waits, in order, for a session; it is tried again after <paramref name="delay"/> all the same.
    /// </summary>
    public void ParkForSession(PendingCommand parked, TimeSpan delay)
    {
        ParkUntil(parked, delay);
        int place = _sessionWaiters.FindIndex(other => other.WaitingSince > parked.WaitingSince);
        _sessionWaiters.Insert(place < 0 ? _sessionWaiters.Count : place, parked);
    }

    /// <summary>
    /// Tries a command again that waits for a session: that of the space whose owner has the lowest level; among
    /// equals, the one that has waited longest. There must be one.
    /// </summary>
    public void SessionReleased(Func<SpaceOwner, ShareLevel> level)
    {
        PendingCommand first = _sessionWaiters.MinBy(waiting => level(waiting.Space.Owner))!;
        _sessionWaiters.Remove(first);
        Enqueue(first);
    }

    /// <summary>Takes a command that is not running out of wherever it waits.</summary>
    public void Remove(PendingCommand gone)
    {
        if (gone.State == CommandState.Queued)
        {
            ShareOf(gone).Commands.Remove(gone);
            NoLongerQueued(gone);
        }
        else if (gone.State == CommandState.Parked && !_parked.Remove(gone))
        {
            _sessionWaiters.Remove(gone);
        }
    }

    /// <summary>A thread that was lent has done what it could.</summary>
    /// <param name="lender">The command that it was lent for.</param>
    /// <param name="hasRun">False to leave that command to the manager's own thread, where it still waits.</param>
    /// <param name="mustWake">True when the manager's own thread has to look after what is left.</param>
    /// <returns>True when the thread is to be lent again.</returns>
    public bool EndLend(PendingCommand lender, bool hasRun, out bool mustWake)
    {
        if (!hasRun)
        {
            LeaveToManager(lender);
        }

        mustWake = !hasRun || _lent == 0;
        return lender.IsLent;
    }

    /// <summary>How long until a parked command is due; null when none is parked.</summary>
    public TimeSpan? UntilDue()
    {
        long? first = null;
        foreach (PendingCommand parked in _parked)
        {
            first = Math.Min(first ?? long.MaxValue, parked.Due);
        }

        foreach (PendingCommand parked in _sessionWaiters)
        {
            first = Math.Min(first ?? long.MaxValue, parked.Due);
        }

        return first is { } due ? Positive(time.GetElapsedTime(time.GetTimestamp(), due)) : null;
    }

    private void NoLongerQueued(PendingCommand taken)
    {
        _queued--;
        LeaveToManager(taken);
    }

    private void LeaveToManager(PendingCommand pending)
    {
        _lent -= pending.IsLent ? 1 : 0;
        pending.IsLent = false;
    }

    private static TimeSpan Positive(TimeSpan span) => span > TimeSpan.Zero ? span : TimeSpan.Zero;

    private void WakeDue()
    {
        if (_parked.Count + _sessionWaiters.Count > 0)
        {
            long now = time.GetTimestamp();
            WakeDue(_parked, now);
            WakeDue(_sessionWaiters, now);
        }
    }

    private void WakeDue(List<PendingCommand> list, long now)
    {
        for (int i = 0; i < list.Count;)
        {
            if (list[i].Due <= now)
            {
                PendingCommand due = list[i];
                list.RemoveAt(i);
                Enqueue(due);
            }
            else
            {
                i++;
            }
        }
    }

    private void ParkUntil(PendingCommand parked, TimeSpan delay)
    {
        parked.State = CommandState.Parked;
        parked.Due = time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency);
    }

    private GroupShare ShareOf(PendingCommand command) =>
        command.Share ??= _shares.GetOrCreateValue(command.Space.Owner.Group);

    private void List(GroupShare group)
    {
        if (!group.IsListed && !group.IsInService && group.Commands.Count > 0)
        {
            group.IsListed = true;
            _groups.Enqueue(group);
        }
    }
}
