namespace TpmFs.Rm.Ledger;

/// <summary>
/// Holds the groups of the ledger's spaces and sessions by their ids, and gives ids to new ones. The groups belong to
/// the manager's thread, the ids to any thread.
/// </summary>
internal sealed class GroupLedger(LedgerMirror mirror)
{
    private readonly Dictionary<GroupId, GroupRecord> _groups = [];

    /// <summary>The groups of the last manager that nobody has named yet.</summary>
    private readonly List<SchedulingGroup> _unclaimed = [];

    private long _lastId;

    /// <summary>
    /// Returns the group of this name that the last manager had, where nobody has named it before, or else a new one.
    /// Any thread.
    /// </summary>
    /// <param name="limits">The limits of its spaces, changeable while they are open.</param>
    public SchedulingGroup Open(string name, SpaceLimits limits)
    {
        lock (_unclaimed)
        {
            SchedulingGroup? known = _unclaimed.Where(group => group.Name == name).MaxBy(group => group.Id.Value);
            if (known is not null)
            {
                _unclaimed.Remove(known);
                known.Limits = limits;
                return known;
            }
        }

        return new SchedulingGroup(new GroupId(Interlocked.Increment(ref _lastId)), name, limits);
    }

    /// <summary>Enters the group of a space, unless it is there already.</summary>
    public void Enter(SchedulingGroup entered)
    {
        if (!_groups.ContainsKey(entered.Id))
        {
            var record = new GroupRecord(entered);
            _groups.Add(entered.Id, record);
            record.Enter(mirror);
        }
    }

    public SchedulingGroup? Find(long id) => _groups.GetValueOrDefault(new GroupId(id))?.Group;

    /// <summary>Removes a group that has ended.</summary>
    public void Remove(SchedulingGroup ended)
    {
        if (_groups.Remove(ended.Id, out GroupRecord? record))
        {
            record.Leave();
        }
    }

    /// <summary>Goes on with a group of the last manager.</summary>
    /// <returns>False when there is a group with its id.</returns>
    public bool TryRestore(GroupRecord restored)
    {
        SchedulingGroup group = restored.Group;
        bool isNew = _groups.TryAdd(group.Id, restored);
        _lastId = Math.Max(_lastId, group.Id.Value);
        _unclaimed.Add(group);
        return isNew;
    }

    /// <summary>Returns the groups of the last manager that nobody has named. Nobody can name them any more.</summary>
    public SchedulingGroup[] TakeUnclaimed()
    {
        lock (_unclaimed)
        {
            SchedulingGroup[] unclaimed = [.. _unclaimed];
            _unclaimed.Clear();
            return unclaimed;
        }
    }
}
