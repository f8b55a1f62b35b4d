namespace TpmFs.Rm;

/// <summary>
/// Tells one <see cref="Space"/> from another. Never used again for another space of the same manager, nor of one that
/// goes on from that manager's snapshot.
/// </summary>
public readonly record struct SpaceId(long Value);
