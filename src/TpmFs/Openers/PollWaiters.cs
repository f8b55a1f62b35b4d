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
        waiters ??= [];
        var at = waiters.FindIndex(waiter => waiter.Poll == poll);
        if (at < 0)
        {
            waiters.Add((poll, wanted | AlwaysWanted));
        }
        else
        {
            waiters[at] = (poll, waiters[at].Wanted | wanted);
        }
    }

    /// <summary>Takes those whom <paramref name="ready"/> concerns.</summary>
    public PollId[] Take(PollEvents ready)
    {
        if (waiters is null || !waiters.Exists(waiter => (waiter.Wanted & ready) != 0))
        {
            return [];
        }

        PollId[] concerned = [.. waiters.Where(waiter => (waiter.Wanted & ready) != 0).Select(waiter => waiter.Poll)];
        waiters.RemoveAll(waiter => (waiter.Wanted & ready) != 0);
        return concerned;
    }
}
