using TpmFs.Fuse;

namespace TpmFs.Openers;

/// <summary>
/// Who polls one opener. A registration serves one wake-up; the kernel asks again after it. Guarded by the opener's
/// lock.
/// </summary>
internal struct PollWaiters
{
    // poll(2): these two are reported whether they were asked for or not.
    private const PollEvents AlwaysWanted = PollEvents.Err | PollEvents.Hup;

    private List<(PollId Poll, PollEvents Wanted)>? _waiters;

    public void Add(PollId poll, PollEvents wanted)
    {
        _waiters ??= new(1);
        for (int at = 0; at < _waiters.Count; at++)
        {
            if (_waiters[at].Poll == poll)
            {
                _waiters[at] = (poll, _waiters[at].Wanted | wanted);
                return;
            }
        }

        _waiters.Add((poll, wanted | AlwaysWanted));
    }

    /// <summary>Takes those whom <paramref name="ready"/> concerns.</summary>
    public PollWakeups Take(PollEvents ready)
    {
        var concerned = default(PollWakeups);
        for (int at = 0; at < (_waiters?.Count ?? 0);)
        {
            if ((_waiters![at].Wanted & ready) != 0)
            {
                concerned.Add(_waiters[at].Poll);
                _waiters.RemoveAt(at);
            }
            else
            {
                at++;
            }
        }

        return concerned;
    }
}

/// <summary>
/// Whom to wake. The kernel gives an open file one number, so that the first is nearly always the only one.
/// </summary>
internal struct PollWakeups
{
    private PollId? _first;
    private List<PollId>? _others;

    public void Add(PollId poll)
    {
        if (_first is null)
        {
            _first = poll;
        }
        else
        {
            (_others ??= []).Add(poll);
        }
    }

    public readonly void Notify(IFuseNotifier notifier)
    {
        if (_first is { } poll)
        {
            notifier.NotifyPoll(poll);
        }

        _others?.ForEach(notifier.NotifyPoll);
    }
}
