namespace TpmFs.Fuse;

/// <summary>
/// Lets the thread that reads requests follow its clients from CPU to CPU, in class SCHED_IDLE, where that is possible.
/// </summary>
/// <param name="Companions">
/// Functions that each return the id of a process of the caller's that takes part in every answer, or 0 while there is
/// none. Such a process is moved along with the reading thread.
/// </param>
public sealed record FollowOptions(IReadOnlyList<Func<int>> Companions);
