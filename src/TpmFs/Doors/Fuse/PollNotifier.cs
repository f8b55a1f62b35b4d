using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>Leads to the session's notifier, which exists only from INIT on; no file is open before that.</summary>
internal sealed class PollNotifier : IFuseNotifier
{
    private volatile IFuseNotifier? _session;

    public void Attach(IFuseNotifier notifier) => _session = notifier;

    public void NotifyPoll(PollId poll, IFusePolled? polled = null) => _session?.NotifyPoll(poll, polled);
}
