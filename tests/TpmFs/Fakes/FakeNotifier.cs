using System.Collections.Concurrent;
using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Fakes;

internal sealed class FakeNotifier : IFuseNotifier
{
    public ConcurrentQueue<PollId> Polls { get; } = new();

    public void NotifyPoll(PollId poll, IFusePolled? polled = null) => Polls.Enqueue(poll);
}
