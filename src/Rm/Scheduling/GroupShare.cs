namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the users of a domain whose commands wait for their turn, and the domain's place among the domains. Only the
/// scheduler uses it.
/// </summary>
internal sealed class GroupShare : FairShare
{
    /// <summary>
    /// The fewest users that are remembered. A user who has had a turn and sends nothing is forgotten only among more.
    /// </summary>
    private const int FewUsers = 64;

    private readonly Dictionary<uint, UserShare> _shares = [];
    private int _mostBeforeSweep = FewUsers;

    /// <summary>The users that have a command which waits, in the order of their turns.</summary>
    public FairQueue<UserShare> Users { get; } = new();

    /// <summary>True while the domain is in the queue of the domains.</summary>
    public bool IsListed { get; set; }

    /// <summary>True while a command of the domain runs.</summary>
    public bool IsInService { get; set; }

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
    /// Puts a user that has a command which waits into the queue, unless the user is there, or is served.
    /// </summary>
    public void List(UserShare user)
    {
        if (!user.IsListed && !user.IsInService && user.Commands.Count > 0)
        {
            user.IsListed = true;
            Users.Enqueue(user);
        }
    }

    /// <summary>
    /// Forgets the users for whom a new share would be the same: they have no commands, and would begin no later.
    /// </summary>
    private void Sweep()
    {
        foreach ((uint payer, UserShare user) in _shares)
        {
            if (user.Commands.Count == 0 && user is { IsListed: false, IsInService: false } && Users.IsLate(user))
            {
                _shares.Remove(payer);
            }
        }

        _mostBeforeSweep = Math.Max(FewUsers, _shares.Count * 2);
    }
}
