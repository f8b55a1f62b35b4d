using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Rm.Sessions;

namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Decides which command is next. Domains share the TPM's time fairly by their weights, and all domains of one owner
/// have what one of them would have alone. The users of a domain share its part fairly, and the openers of a user that
/// user's part. Each opener has one command at most. Not synchronised: the caller holds the queue's lock.
/// </summary>
internal sealed class Scheduler(TimeProvider time)
{
    /// <summary>
    /// The least that a command costs. A command that needs no TPM would otherwise cost nothing, and openers that send
    /// nothing else would come first for ever.
    /// </summary>
    private static readonly TimeSpan s_leastCost = TimeSpan.FromMicroseconds(100);

    private readonly FairQueue<OwnerShare> _waiting = new();
    private readonly Dictionary<uint, OwnerShare> _owners = [];
    private readonly ConditionalWeakTable<SchedulingGroup, GroupShare> _shares = [];
    private readonly List<PendingCommand> _parked = [];
    private readonly List<PendingCommand> _sessionWaiters = [];

    private int _queued;
    private int _lent;

    /// <summary>
    /// True when threads are lent for all commands that wait for their turn, and no command waits for anything else.
    /// </summary>
    public bool HasOnlyLent => _lent > 0 && _queued == _lent && _parked.Count + _sessionWaiters.Count == 0;

    /// <summary>The owners of the spaces whose commands wait for a session; one for each command.</summary>
    public SpaceOwner[] SessionWaiters =>
        _sessionWaiters.Count == 0 ? [] : [.. _sessionWaiters.Select(waiting => waiting.Space.Owner)];

    /// <summary>Commands that are not running.</summary>
    public IEnumerable<PendingCommand> Waiting =>
        _shares.SelectMany(share => share.Value.Commands).Concat(_parked).Concat(_sessionWaiters);

    public void Enqueue(PendingCommand arrived)
    {
        arrived.State = CommandState.Queued;
        UserShare user = UserOf(arrived, out GroupShare group);
        user.Commands.Enqueue(arrived);
        _queued++;
        _lent += arrived.IsLent ? 1 : 0;
        List(group, user);
    }

    /// <summary>Takes the next command to run. It is the caller's until <see cref="Served"/>.</summary>
    public bool TryTake(out PendingCommand next)
    {
        WakeDue();
        while (TryTake(_waiting, out OwnerShare owner))
        {
            while (TryTake(owner.Groups, out GroupShare group))
            {
                while (TryTake(group.Users, out UserShare user))
                {
                    if (user.Commands.TryDequeue(out next))
                    {
                        NoLongerQueued(next);
                        Begin(next, group, user);
                        return true;
                    }
                }
            }
        }

        next = null!;
        return false;
    }

    /// <summary>
    /// Takes this command, if it is queued, whichever is the next one. It is the caller's until <see cref="Served"/>.
    /// </summary>
    public bool TryTake(PendingCommand wanted)
    {
        bool isQueued = wanted.State == CommandState.Queued;
        if (isQueued)
        {
            Remove(wanted);
            UserShare user = UserOf(wanted, out GroupShare group);
            Begin(wanted, group, user);
        }

        return isQueued;
    }

    /// <summary>Charges the command that was taken with the TPM's time that it used.</summary>
    public void Served(PendingCommand served, TimeSpan used)
    {
        UserShare user = UserOf(served, out GroupShare group);
        double cost = Math.Max(used.TotalMicroseconds, s_leastCost.TotalMicroseconds);
        FairQueue<PendingCommand>.Charge(served, cost, weight: 1);
        FairQueue<UserShare>.Charge(user, cost, weight: 1);
        int weight = Math.Max(served.Space.Owner.Group.Weight, 1);
        FairQueue<GroupShare>.Charge(group, cost, weight);
        FairQueue<OwnerShare>.Charge(group.Owner, cost, weight);
        user.IsInService = false;
        group.IsInService = false;
        group.Owner.IsInService = false;
        List(group, user);
    }

    /// <summary>Keeps the command, to be tried again after <paramref name="delay"/>.</summary>
    public void Park(PendingCommand parked, TimeSpan delay)
    {
        ParkUntil(parked, delay);
        _parked.Add(parked);
    }

    /// <summary>
    /// Keeps the command until a session is given back, or until <paramref name="delay"/> has passed. Commands wait in
    /// the order in which they began to wait.
    /// </summary>
    public void ParkForSession(PendingCommand parked, TimeSpan delay)
    {
        ParkUntil(parked, delay);
        int place = _sessionWaiters.FindIndex(other => other.WaitingSince > parked.WaitingSince);
        _sessionWaiters.Insert(place < 0 ? _sessionWaiters.Count : place, parked);
    }

    /// <summary>
    /// Lets one command that waits for a session try again: the command whose space's owner has the lowest level, and
    /// of equals the one that has waited longest. At least one must wait.
    /// </summary>
    public void SessionReleased(Func<SpaceOwner, ShareLevel> level)
    {
        PendingCommand first = _sessionWaiters.MinBy(waiting => level(waiting.Space.Owner))!;
        _sessionWaiters.Remove(first);
        Enqueue(first);
    }

    /// <summary>Takes a command that does not run out of the queue or list in which it waits.</summary>
    public void Remove(PendingCommand gone)
    {
        if (gone.State == CommandState.Queued)
        {
            UserOf(gone, out _).Commands.Remove(gone);
            NoLongerQueued(gone);
        }
        else if (gone.State == CommandState.Parked && !_parked.Remove(gone))
        {
            _sessionWaiters.Remove(gone);
        }
    }

    /// <summary>Records that a lent thread has done what it could.</summary>
    /// <param name="lender">The command for which the thread was lent.</param>
    /// <param name="hasRun">False to leave that command to the manager's own thread, if it still waits.</param>
    /// <param name="mustWake">True when the manager's own thread has to take the commands that are left.</param>
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

    /// <summary>Returns the time until a parked command is due; null when none is parked.</summary>
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

    private void Begin(PendingCommand taken, GroupShare group, UserShare user)
    {
        user.IsInService = true;
        group.IsInService = true;
        group.Owner.IsInService = true;
        taken.State = CommandState.Running;
        taken.Begun ??= time.GetTimestamp();
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

    private UserShare UserOf(PendingCommand command, out GroupShare group)
    {
        SpaceOwner owner = command.Space.Owner;
        group = command.Share ??= _shares.GetOrCreateValue(owner.Group);
        if (group is { IsListed: false, IsInService: false })
        {
            group.OfOwner = owner.Group.Owner is not 0 and var id
                ? CollectionsMarshal.GetValueRefOrAddDefault(_owners, id, out _) ??= new OwnerShare() : null;
        }

        return group.Of(owner.Payer);
    }

    /// <summary>
    /// Puts a user, and then the user's domain and its owner, into the queues of those that wait for a turn.
    /// </summary>
    private void List(GroupShare group, UserShare user)
    {
        List(group.Users, user);
        List(group.Owner.Groups, group);
        List(_waiting, group.Owner);
    }

    private static bool TryTake<T>(FairQueue<T> queue, out T next)
        where T : ListedShare
    {
        bool isTaken = queue.TryDequeue(out next);
        if (isTaken)
        {
            next.IsListed = false;
        }

        return isTaken;
    }

    private static void List<T>(FairQueue<T> queue, T share)
        where T : ListedShare
    {
        if (share is { IsListed: false, IsInService: false, HasWaiting: true })
        {
            share.IsListed = true;
            queue.Enqueue(share);
        }
    }
}
