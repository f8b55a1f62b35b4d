namespace TpmFs.Rm;

/// <summary>
/// Tells one <see cref="SchedulingGroup"/> from another. Never used again for another group of the same manager, nor of
/// one that goes on from that manager's snapshot.
/// </summary>
public readonly record struct GroupId(long Value);
