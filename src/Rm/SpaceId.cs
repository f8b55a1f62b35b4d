namespace TpmFs.Rm;

/// <summary>
/// Tells one <see cref="Space"/> from another. An id is never used again for another space, neither by the same manager
/// nor by a manager that goes on from its snapshot.
/// </summary>
public readonly record struct SpaceId(long Value);
