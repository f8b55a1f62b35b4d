using TpmFs.Fuse;

namespace TpmFs.Doors.Fuse;

/// <summary>
/// The polls of one file that wait. A registration serves one wake-up; the kernel asks again after it. Guarded by the
/// file's lock.
/// </summary>
internal struct PollWaiters
{
    // poll(2): these two are reported whether they were asked for or not.
    private const PollEvents AlwaysWanted = PollEvents.Err | PollEvents.Hup;

    private List<(PollId Poll, PollEvents Wanted)>? _waiters;

    /// <summary>True when a poll waits.</summary>
    public readonly bool Any => _waiters is { Count: > 0 };

    /// <summary>
    /// Adds a poll. Several polls with one id count as one, which waits for the events of all of them.
    /// </summary>
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

    /// <summary>Takes out the polls that wait for one of these events.</summary>
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
/// The polls to wake. The kernel gives an open file one number, so that the first is nearly always the only one.
/// </summary>
internal struct PollWakeups
{
    private PollId? _first;
    private List<PollId>? _others;

    /// <summary>Adds a poll.</summary>
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

    /// <summary>Wakes them, for the file that they poll.</summary>
    public readonly void Notify(IFuseNotifier notifier, IFusePolled polled)
    {
        if (_first is { } poll)
        {
            notifier.NotifyPoll(poll, polled);
        }

        for (int at = 0; at < (_others?.Count ?? 0); at++)
        {
            notifier.NotifyPoll(_others![at], polled);
        }
    }
}
