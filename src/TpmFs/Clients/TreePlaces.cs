using TpmFs.Policy;

namespace TpmFs.Clients;

/// <summary>
/// The places of clients in all domains together. A domain that is removed and made again has all its own places
/// free, while what was open in it may still be open; and a user may own many domains. Any thread.
/// </summary>
/// <param name="max">How many there are.</param>
/// <param name="administratorsPlaces">How many the administrator may hold in any case.</param>
internal sealed class TreePlaces(int max, int administratorsPlaces) : IConversationKeeper
{
    private readonly TreeShares<Domain> _places = new(max, administratorsPlaces);

    /// <summary>Gives a user a place.</summary>
    /// <param name="account">The domain whose share it is taken from (<see cref="Domain.Account"/>).</param>
    /// <param name="payer">The user whose share it is taken from.</param>
    /// <param name="standing">The user's standing in the domain. Its owner does not own the tree.</param>
    /// <returns>False when the user's share, the domain's, or all places, are taken.</returns>
    public bool TryTake(Domain? account, uint payer, Standing standing) =>
        _places.TryTake(account, payer, standing == Standing.Administrator);

    /// <summary>Gives a user a place that an earlier daemon had given them.</summary>
    public void Take(Domain? account, uint payer) => _places.Take(account, payer);

    /// <summary>Takes a place back.</summary>
    public void Return(Domain? account, uint payer) => _places.Return(account, payer);

    /// <summary>A conversation of no domain has ended; it keeps its place until its client is gone.</summary>
    void IConversationKeeper.Ended(Conversation conversation)
    {
    }

    /// <summary>The client of a conversation of no domain is gone.</summary>
    void IConversationKeeper.Left(Conversation conversation) =>
        Return(account: null, conversation.Identity.Client.Payer);
}
