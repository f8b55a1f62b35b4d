namespace TpmFs.Fuse;

/// <summary>Sends the kernel notifications that it has not asked for. Any thread.</summary>
public interface IFuseNotifier
{
    /// <summary>
    /// Wakes the processes that poll with this id (FUSE_NOTIFY_POLL). An id that the kernel no longer knows is ignored.
    /// </summary>
    void NotifyPoll(PollId poll);
}
