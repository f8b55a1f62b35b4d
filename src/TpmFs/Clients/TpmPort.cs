using System.Globalization;
using TpmFs.Rm;

namespace TpmFs.Clients;

/// <summary>
/// Makes a handle space; null while there is no room for one more. Any thread; sends nothing to the TPM.
/// </summary>
internal delegate Space? SpaceOpener(SpaceOwner owner, ISpaceClient client);

/// <summary>
/// Makes a handle space that an earlier daemon had, before the manager starts. Its next command is the one after so
/// many that are over.
/// </summary>
internal delegate Space SpaceReopener(SpaceId id, SpaceOwner owner, ISpaceClient client, bool isRaw, long commands);

/// <summary>
/// A TPM as the tree knows it. The facts about the TPM may be known later than the tree is made. Any thread.
/// </summary>
/// <param name="number">Counted from 0; part of its nodes' names.</param>
/// <param name="managed">Makes a handle space of the resource manager.</param>
/// <param name="raw">Opens the TPM as it is, for one conversation at a time.</param>
/// <param name="facts">The facts about the TPM that are known at this moment.</param>
/// <param name="newGroup">Makes a group; a group of this name that an earlier daemon had goes on.</param>
/// <param name="endGroup">Flushes what is left of a group whose conversations have all ended.</param>
internal sealed class TpmPort(
    int number,
    SpaceOpener managed,
    SpaceOpener raw,
    Func<TpmFacts> facts,
    Func<string, SpaceLimits, SchedulingGroup> newGroup,
    Action<SchedulingGroup> endGroup)
{
    /// <summary>Counted from 0; part of its nodes' names.</summary>
    public int Number => number;

    public string ManagedName { get; } = string.Create(CultureInfo.InvariantCulture, $"rm{number}");

    public string RawName { get; } = string.Create(CultureInfo.InvariantCulture, $"raw{number}");

    public SpaceOpener Managed => managed;

    public SpaceOpener Raw => raw;

    public TpmFacts Facts => facts();

    public bool CanBeManaged => Facts.Family != TpmFamily.Tpm12;

    /// <summary>Returns true when commands can be sent at a locality.</summary>
    public bool Has(byte locality) => locality <= Facts.HighestLocality;

    /// <summary>
    /// Gets what makes handle spaces of an earlier daemon again; null where none wrote down what the TPM held.
    /// </summary>
    public SpaceReopener? Reopen { get; init; }

    public SchedulingGroup NewGroup(string name, SpaceLimits limits) => newGroup(name, limits);

    public void EndGroup(SchedulingGroup group) => endGroup(group);
}
