using TpmFs.Fuse;

namespace TpmFs.Openers;

/// <summary>Who polls one opener. A registration serves one wake-up; the kernel asks again after it. Guarded by the opener's lock.</summary>
internal struct PollWaiters
{
    // poll(2): these two are reported whether they were asked for or not.
    private const PollEvents AlwaysWanted = PollEvents.Err | PollEvents.Hup;

    private List<(PollId Poll, PollEvents Wanted)>? waiters;

    public void Add(PollId poll, PollEvents wanted)
    {
        waiters ??= new(1);
        for (var at = 0; at < waiters.Count; at++)
        {
            if (waiters[at].Poll == poll)
            {
                waiters[at] = (poll, waiters[at].Wanted | wanted);
                return;
            }
        }

        waiters.Add((poll, wanted | AlwaysWanted));
    }

    /// <summary>Takes those whom <paramref name="ready"/> concerns.</summary>
    public PollWakeups Take(PollEvents ready)
    {
        var concerned = default(PollWakeups);
        for (var at = 0; at < (waiters?.Count ?? 0);)
        {
            if ((waiters![at].Wanted & ready) != 0)
            {
                concerned.Add(waiters[at].Poll);
                waiters.RemoveAt(at);
            }
            else
            {
                at++;
            }
        }

        return concerned;
    }
}

/// <summary>Whom to wake. The kernel gives an open file one number, so that the first is nearly always the only one.</summary>
internal struct PollWakeups
{
    private PollId? first;
    private List<PollId>? others;

    public void Add(PollId poll)
    {
        if (first is null)
        {
            first = poll;
        }
        else
        {
            (others ??= []).Add(poll);
        }
    }

    public readonly void Notify(IFuseNotifier notifier)
    {
        if (first is { } poll)
        {
            notifier.NotifyPoll(poll);
        }

        others?.ForEach(notifier.NotifyPoll);
    }
}
