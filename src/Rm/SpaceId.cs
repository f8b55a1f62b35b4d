namespace TpmFs.Rm;

/// <summary>
/// Tells one <see cref="Space"/> from another. An id is never used again for another space, neither by the same manager
/// nor by the next one, as long as anything of the space is left.
/// </summary>
public readonly record struct SpaceId(long Value);
