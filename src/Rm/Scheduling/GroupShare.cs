namespace TpmFs.Rm.Scheduling;

/// <summary>
/// Holds the users of a domain whose commands wait for their turn, and the domain's place among those of its owner.
/// </summary>
internal sealed class GroupShare : ListedShare
{
    /// <summary>
    /// The fewest users that are remembered. A user who has had a turn and sends nothing is forgotten only among more.
    /// </summary>
    private const int FewUsers = 64;

    private readonly Dictionary<uint, UserShare> _shares = [];
    private readonly OwnerShare _alone = new();
    private int _mostBeforeSweep = FewUsers;

    /// <summary>Gets the share of the domain's owner; one for the domain alone where it has no owner.</summary>
    public OwnerShare Owner => OfOwner ?? _alone;

    /// <summary>
    /// Gets or sets the share of the domain's owner; null where it has none. It changes only while no command of the
    /// domain waits or runs.
    /// </summary>
    public OwnerShare? OfOwner { get; set; }

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
