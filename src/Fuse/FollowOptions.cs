namespace TpmFs.Fuse;

/// <summary>
/// That the thread which reads requests follows its clients from CPU to CPU, in class SCHED_IDLE, where that can be.
/// </summary>
/// <param name="Companions">
/// Each returns a process of the caller's that takes part in every answer, or 0 while there is none: it is moved along.
/// </param>
public sealed record FollowOptions(IReadOnlyList<Func<int>> Companions);
