namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the users of a domain whose commands wait for their turn, and the domain's place among the domains.
/// </summary>
internal sealed class GroupShare : ListedShare
{
    /// <summary>
    /// The fewest users that are remembered. A user who has had a turn and sends nothing is forgotten only among more.
    /// </summary>
    private const int FewUsers = 64;

    private readonly Dictionary<uint, UserShare> _shares = [];
    private int _mostBeforeSweep = FewUsers;

    /// <summary>The users that have a command which waits, in the order of their turns.</summary>
    public FairQueue<UserShare> Users { get; } = new();

    public override bool HasWaiting => Users.Count > 0;

    /// <summary>The domain's commands that wait for their turn.</summary>
    public IEnumerable<PendingCommand> Commands => _shares.Values.SelectMany(user => user.Commands.Items);

    /// <summary>Returns the share of a user of the domain.</summary>
    /// <param name="payer">The user (<see cref="SpaceOwner.Payer"/>).</param>
    public UserShare Of(uint payer)
    {
        if (_shares.TryGetValue(payer, out UserShare? share))
        {
            return share;
        }

        if (_shares.Count >= _mostBeforeSweep)
        {
            Sweep();
        }

        return _shares[payer] = new UserShare();
    }

    /// <summary>
    /// Forgets the users for whom a new share would be the same: they have no commands, and would begin no later.
    /// </summary>
    private void Sweep()
    {
        foreach ((uint payer, UserShare user) in _shares)
        {
            if (user is { HasWaiting: false, IsListed: false, IsInService: false } && Users.IsLate(user))
            {
                _shares.Remove(payer);
            }
        }

        _mostBeforeSweep = Math.Max(FewUsers, _shares.Count * 2);
    }
}
