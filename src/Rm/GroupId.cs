namespace TpmFs.Rm;

/// <summary>
/// Tells one <see cref="SchedulingGroup"/> from another. An id is never used again for another group, neither by the
/// same manager nor by a manager that goes on from its snapshot.
/// </summary>
public readonly record struct GroupId(long Value);
