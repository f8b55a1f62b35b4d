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

    private readonly FairShares _openFiles = new(AdministratorsOpenFiles);
    private readonly FairShares _keptBytes = new(AdministratorsKeptBytes);
    private readonly MakingTime _making = new(Time);

    /// <summary>Gets the table of the users whose shares pay for other users' doings.</summary>
    public Payers Payers { get; init; } = new();

    /// <summary>Returns the user whose shares a user's open files use.</summary>
    public uint PayerOf(uint uid) => StandingOf(uid) == Standing.Administrator ? uid : Payers.Of(uid);

    /// <summary>Counts an open file of a user.</summary>
    /// <returns>False when the user has enough of them.</returns>
    public bool TryOpen(uint uid) => _openFiles.TryTake(uid, StandingOf(uid), MaxOpenFiles);

    public void Close(uint uid) => _openFiles.Return(uid);

    /// <summary>Counts content that is kept for a user who has not read all of it.</summary>
    /// <returns>False when too much is kept for the user.</returns>
    public bool TryKeep(uint uid, int bytes) => _keptBytes.TryTake(uid, StandingOf(uid), MaxKeptBytes, bytes);

    public void Drop(uint uid, int bytes) => _keptBytes.Return(uid, bytes);

    /// <summary>Returns true when content may be made for a user although that takes long.</summary>
    public bool MayMake(uint uid) => StandingOf(uid) == Standing.Administrator || _making.IsLeft(uid);

    /// <summary>Counts the time that it took to make content for a user.</summary>
    public void Made(uint uid, TimeSpan time)
    {
        if (StandingOf(uid) == Standing.User)
        {
            _making.Use(uid, time);
        }
    }

    private Standing StandingOf(uint uid) => uid == 0 || uid == Owner.Uid ? Standing.Administrator : Standing.User;
}
