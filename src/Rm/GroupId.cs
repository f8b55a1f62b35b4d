namespace TpmFs.Rm;

/// <summary>
/// Tells one <see cref="SchedulingGroup"/> from another. An id is never used again for another group, neither by the
/// same manager nor by the next one, as long as anything of the group is left.
/// </summary>
public readonly record struct GroupId(long Value);
