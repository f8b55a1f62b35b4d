using System.Globalization;
using TpmFs.Rm;

namespace TpmFs.Domains;

/// <summary>
/// Makes a handle space, or null while there is no room for one more. Any thread; sends nothing to the TPM.
/// </summary>
internal delegate Space? TpmDoor(SpaceOwner owner, ISpaceClient client);

/// <summary>A TPM as the tree knows it. What the TPM is may turn out later than the tree is made. Any thread.</summary>
/// <param name="managed">Each opener has a handle space.</param>
/// <param name="raw">The TPM as it is; one opener at a time.</param>
/// <param name="facts">What is known of it at this moment.</param>
/// <param name="endGroup">Flushes what is left of a group whose openers have all ended.</param>
internal sealed class TpmPort(
    int number, TpmDoor managed, TpmDoor raw, Func<TpmFacts> facts, Action<SchedulingGroup> endGroup)
{
    /// <summary>Counted from 0; part of its nodes' names.</summary>
    public int Number => number;

    public string ManagedName { get; } = string.Create(CultureInfo.InvariantCulture, $"rm{number}");

    public string RawName { get; } = string.Create(CultureInfo.InvariantCulture, $"raw{number}");

    public TpmDoor Managed => managed;

    public TpmDoor Raw => raw;

    public TpmFacts Facts => facts();

    public bool CanBeManaged => Facts.Family != TpmFamily.Tpm12;

    /// <summary>Whether commands can be sent at a locality.</summary>
    public bool Has(byte locality) => locality <= Facts.HighestLocality;

    public void EndGroup(SchedulingGroup group) => endGroup(group);
}
