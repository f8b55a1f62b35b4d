namespace TpmFs.Fuse;

/// <summary>Sends the kernel notifications that it has not asked for. Any thread.</summary>
public interface IFuseNotifier
{
    /// <summary>
    /// Wakes the processes that poll with this id (FUSE_NOTIFY_POLL). An id that the kernel no longer knows is ignored.
    /// </summary>
    /// <param name="poll">The id.</param>
    /// <param name="polled">
    /// Makes the call that wakes them, perhaps later and on another thread. Null where nobody is to learn of it.
    /// </param>
    void NotifyPoll(PollId poll, IFusePolled? polled = null);
}

/// <summary>What processes poll. Makes the call that wakes them, so that it learns what the call costs.</summary>
public interface IFusePolled
{
    /// <summary>Wakes the processes that poll. Any thread.</summary>
    void Wake(PollId poll, IFuseWaker waker);
}

/// <summary>Makes the kernel wake the processes that poll, within the call. Any thread.</summary>
public interface IFuseWaker
{
    /// <inheritdoc cref="IFuseNotifier.NotifyPoll"/>
    void Wake(PollId poll);
}
