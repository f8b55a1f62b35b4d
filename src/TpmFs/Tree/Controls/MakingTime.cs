using TpmFs.Clients;
using TpmFs.Policy;

namespace TpmFs.Tree.Controls;

/// <summary>
/// Bounds the time that the daemon spends on making the content that users read in control files, since the threads
/// that make it also take all clients' commands. In each second, content is made for a user while the user's share of
/// the time, and the domain's, are not used up. Any thread.
/// </summary>
/// <param name="time">The clock.</param>
internal sealed class MakingTime(TimeProvider time)
{
    /// <summary>The time that all users together get in a second.</summary>
    private static readonly TimeSpan s_ofUsers = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private TreeShares<Domain> _used = NewShares(); // in this second, in ticks
    private long _second;

    /// <summary>Returns true when a user has some of it left. That takes a tick of it.</summary>
    /// <param name="account">The domain whose file the user reads (<see cref="Domain.Account"/>).</param>
    /// <param name="payer">The user.</param>
    public bool IsLeft(Domain? account, uint payer) => OfThisSecond().TryTake(account, payer, isAdministrator: false);

    /// <summary>Counts time for a user.</summary>
    public void Use(Domain? account, uint payer, TimeSpan used) => OfThisSecond().Take(account, payer, used.Ticks);

    private static TreeShares<Domain> NewShares() => new(s_ofUsers.Ticks, reserve: 0);

    /// <summary>Gives all of the time again when another second has begun.</summary>
    private TreeShares<Domain> OfThisSecond()
    {
        long second = time.GetTimestamp() / time.TimestampFrequency;
        lock (_gate)
        {
            if (second != _second)
            {
                (_second, _used) = (second, NewShares());
            }

            return _used;
        }
    }
}
