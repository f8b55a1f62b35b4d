using TpmFs.Policy;

namespace TpmFs.Clients;

/// <summary>
/// The conversations of a domain, and the places that they take. A conversation keeps its place until its client is
/// gone, revoked or not, because what the client holds open still costs memory. Any thread.
/// </summary>
/// <remarks>
/// What was opened while another user owned the domain takes no place of the domain, but one of all domains together:
/// nobody can close what a former owner keeps open, so it would keep the present owner out.
///
/// The lock guards all fields and is held for a few instructions; conversations are ended without it.
/// </remarks>
/// <param name="all">The places of all domains together; each conversation takes one of them, too.</param>
/// <param name="account">The domain whose share of them that is (<see cref="Domain.Account"/>).</param>
internal sealed class DomainMembers(TreePlaces all, Domain? account) : IConversationKeeper
{
    /// <summary>Conversations that the administrator may have although the domain is full.</summary>
    private const int AdministratorsPlaces = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, Conversation> _open = [];
    // conversations that were revoked while their clients are still there, and their TPMs
    private readonly Dictionary<ulong, int> _revoked = [];
    private readonly Dictionary<uint, FairShares> _places = []; // by the domain's owner at the open
    private bool _isGone;

    /// <summary>Gets the conversations that have not ended, oldest first.</summary>
    public Conversation[] Open
    {
        get
        {
            lock (_gate)
            {
                return [.. _open.Values.OrderBy(conversation => conversation.Identity.Id)];
            }
        }
    }

    /// <summary>Returns how many conversations were revoked while their clients are still there.</summary>
    /// <param name="tpm">The TPM's number; null for all of them.</param>
    public int CountRevoked(int? tpm)
    {
        lock (_gate)
        {
            return _revoked.Values.Count(of => tpm is null || of == tpm);
        }
    }

    /// <summary>Returns the conversation with a number; null when it has ended, or is of another domain.</summary>
    public Conversation? Find(ulong id)
    {
        lock (_gate)
        {
            return _open.GetValueOrDefault(id);
        }
    }

    /// <summary>Gives a user a place.</summary>
    /// <param name="payer">The user whose share it is taken from.</param>
    /// <param name="standing">The user's relation to the domain.</param>
    /// <param name="owner">The domain's owner.</param>
    /// <param name="max">The number of places.</param>
    /// <returns>
    /// ENFILE when the domain or the tree is full, or the user's share of it; ENODEV when the domain is gone.
    /// </returns>
    public Errno TakePlace(uint payer, Standing standing, uint owner, int max)
    {
        lock (_gate)
        {
            if (_isGone)
            {
                return SpaceErrno.Gone;
            }

            if (!PlacesUnder(owner).TryTake(payer, standing, max))
            {
                return SpaceErrno.TooManyOpeners;
            }

            if (!all.TryTake(account, payer, standing))
            {
                Return(owner, payer);
                return SpaceErrno.TooManyOpeners;
            }

            return Errno.None;
        }
    }

    /// <summary>Takes back a place in which no conversation began.</summary>
    /// <param name="owner">The domain's owner when it was taken.</param>
    /// <param name="payer">The user whose share it was taken from.</param>
    public void ReturnPlace(uint owner, uint payer)
    {
        lock (_gate)
        {
            Return(owner, payer);
        }

        all.Return(account, payer);
    }

    /// <summary>Adds a conversation that has a place.</summary>
    /// <returns>False when the domain went meanwhile.</returns>
    public bool TryAdd(Conversation conversation)
    {
        lock (_gate)
        {
            return !_isGone && _open.TryAdd(conversation.Identity.Id, conversation);
        }
    }

    /// <summary>Adds a conversation that an earlier daemon admitted, and gives it its place.</summary>
    public void Resume(Conversation conversation)
    {
        ConversationIdentity identity = conversation.Identity;
        bool hasEnded = conversation.State == ConversationState.Ended;
        all.Take(account, identity.Client.Payer);
        lock (_gate)
        {
            PlacesUnder(identity.Owner).Take(identity.Client.Payer);
            if (hasEnded)
            {
                _revoked[identity.Id] = identity.Node.Tpm;
            }
            else
            {
                _open[identity.Id] = conversation;
            }
        }
    }

    /// <summary>Lets nobody in from now on, and ends every conversation.</summary>
    /// <param name="tell">Learns of each conversation that ends.</param>
    public void EndAll(Action<ConversationIdentity> tell)
    {
        Conversation[] left;
        lock (_gate)
        {
            _isGone = true;
            left = [.. _open.Values];
        }

        foreach (Conversation conversation in left)
        {
            tell(conversation.Identity);
            conversation.Revoke();
        }
    }

    void IConversationKeeper.Ended(Conversation conversation)
    {
        lock (_gate)
        {
            _open.Remove(conversation.Identity.Id);
            if (!conversation.IsClosed)
            {
                _revoked[conversation.Identity.Id] = conversation.Identity.Node.Tpm;
            }
        }
    }

    void IConversationKeeper.Left(Conversation conversation)
    {
        ConversationIdentity identity = conversation.Identity;
        lock (_gate)
        {
            _open.Remove(identity.Id);
            _revoked.Remove(identity.Id);
        }

        ReturnPlace(identity.Owner, identity.Client.Payer);
    }

    private FairShares PlacesUnder(uint owner)
    {
        if (!_places.TryGetValue(owner, out FairShares? places))
        {
            _places.Add(owner, places = new FairShares(AdministratorsPlaces));
        }

        return places;
    }

    private void Return(uint owner, uint payer)
    {
        FairShares places = _places[owner];
        places.Return(payer);
        if (places.Total == 0)
        {
            _places.Remove(owner);
        }
    }
}
