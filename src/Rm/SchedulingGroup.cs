using System.Collections.Frozen;
using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>
/// Has a weighted share of the TPM's time. A group is a domain, or a user of the shared nodes. Groups are equal when
/// their ids are.
/// </summary>
/// <param name="id">Given by <see cref="Manager.ResourceManager.OpenGroup"/>.</param>
/// <param name="name">For logs. The next manager finds the group again by its name.</param>
/// <param name="limits">The limits of its spaces, changeable while they are open.</param>
public sealed class SchedulingGroup(GroupId id, string name, SpaceLimits limits) : IEquatable<SchedulingGroup>
{
    public GroupId Id { get; } = id;

    /// <summary>Gets the group's name, for logs.</summary>
    public string Name { get; } = name;

    public SpaceLimits Limits { get; internal set; } = limits;

    /// <summary>Gets the usage of all openers of the group.</summary>
    public Usage Usage { get; } = new();

    /// <summary>
    /// The commands that the group's managed openers may not use. They get TPM_RC_COMMAND_CODE at the manager's layer;
    /// Startup gets the answer of a TPM that is started. Replaced as a whole; holds from the next command on.
    /// </summary>
    public IReadOnlySet<TpmCc> Denied { get; set; } = FrozenSet<TpmCc>.Empty;

    /// <summary>
    /// Gets or sets the user who owns the domain; 0 for none. The groups of one owner share what one group of their
    /// weight has, so that a user who makes many domains has no more than others. May change at any time.
    /// </summary>
    public uint Owner { get; set; }

    /// <summary>The weight, 1 to 10000, as in cgroup v2.</summary>
    public int Weight { get; set; } = 100;

    public bool Equals(SchedulingGroup? other) => other is not null && Id == other.Id;

    public override bool Equals(object? obj) => Equals(obj as SchedulingGroup);

    public override int GetHashCode() => Id.GetHashCode();
}
