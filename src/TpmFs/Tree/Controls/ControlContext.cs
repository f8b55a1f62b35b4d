using TpmFs.Clients;
using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.Tree.Controls;

/// <summary>
/// Holds what all control files share: their owner, and the bounds on what their open files take from the daemon
/// together.
/// </summary>
/// <param name="Owner">The administrator: root, or the user who runs the daemon.</param>
/// <param name="Time">The clock by which making content is timed.</param>
internal sealed record ControlContext(Access Owner, TimeProvider Time)
{
    private const int MaxOpenFiles = 4096;
    private const long MaxKeptBytes = 16 * 1024 * 1024;
    private const int AdministratorsOpenFiles = 64;
    private const long AdministratorsKeptBytes = 4 * 1024 * 1024;

    private readonly TreeShares<Domain> _openFiles = new(MaxOpenFiles, AdministratorsOpenFiles);
    private readonly TreeShares<Domain> _keptBytes = new(MaxKeptBytes, AdministratorsKeptBytes);
    private readonly MakingTime _making = new(Time);

    /// <summary>Gets the table of the users whose shares pay for other users' doings.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Returns the user whose shares a user's open files use.</summary>
    public uint PayerOf(uint uid) => Owner.IsAdministeredBy(uid) ? uid : Payers.Of(uid);

    /// <summary>Counts an open file of a user.</summary>
    /// <param name="account">The domain whose file it is (<see cref="Domain.Account"/>).</param>
    /// <param name="payer">The user.</param>
    /// <returns>False when the user, or the domain, has enough of them.</returns>
    public bool TryOpen(Domain? account, uint payer) =>
        _openFiles.TryTake(account, payer, Owner.IsAdministeredBy(payer));

    public void Close(Domain? account, uint payer) => _openFiles.Return(account, payer);

    /// <summary>Counts content that is kept for a user who has not read all of it.</summary>
    /// <returns>False when too much is kept for the user, or for the domain.</returns>
    public bool TryKeep(Domain? account, uint payer, int bytes) =>
        _keptBytes.TryTake(account, payer, Owner.IsAdministeredBy(payer), bytes);

    public void Drop(Domain? account, uint payer, int bytes) => _keptBytes.Return(account, payer, bytes);

    /// <summary>Returns true when content may be made for a user although that takes long.</summary>
    public bool MayMake(Domain? account, uint payer) => Owner.IsAdministeredBy(payer) || _making.IsLeft(account, payer);

    /// <summary>Counts the time that it took to make content for a user.</summary>
    public void Made(Domain? account, uint payer, TimeSpan time)
    {
        if (!Owner.IsAdministeredBy(payer))
        {
            _making.Use(account, payer, time);
        }
    }
}
