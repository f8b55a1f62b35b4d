namespace TpmFs.Rm;

/// <summary>
/// Which end of the residents to evict from. Least recently used is right for most work, but the worst there is for a working set that
/// goes round and is larger than the slots: every use misses. There, most recently used keeps a part of the set in place. The policy
/// plays both against what is really used, on two shadow caches, and takes the one that missed less of late.
/// </summary>
internal sealed class EvictionPolicy
{
    /// <summary>After this many uses the counts of misses are halved, so that old behaviour fades.</summary>
    private const int Window = 64;

    /// <summary>How much better the other policy must have been before it is taken.</summary>
    private const int Hysteresis = 3;

    private readonly List<TransientObject> _leastRecent = [];
    private readonly List<TransientObject> _mostRecent = [];
    private int _leastRecentMisses;
    private int _mostRecentMisses;
    private int _uses;

    /// <summary>Whether the most recently used object is the one to evict.</summary>
    public bool EvictMostRecent { get; private set; }

    /// <summary>An object is used, in a TPM of that many slots.</summary>
    public void Observe(TransientObject used, int slots)
    {
        _leastRecentMisses += Use(_leastRecent, used, slots, victim: 0);
        _mostRecentMisses += Use(_mostRecent, used, slots, victim: ^1);
        if (++_uses == Window)
        {
            _uses = 0;
            _leastRecentMisses /= 2;
            _mostRecentMisses /= 2;
        }

        int advantage = _leastRecentMisses - _mostRecentMisses;
        EvictMostRecent = EvictMostRecent ? advantage > -Hysteresis : advantage > Hysteresis;
    }

    /// <summary>The object is no more.</summary>
    public void Forget(TransientObject ended)
    {
        _leastRecent.Remove(ended);
        _mostRecent.Remove(ended);
    }

    /// <summary>One use of one shadow cache, kept in order of use; 1 when it missed.</summary>
    private static int Use(List<TransientObject> cache, TransientObject used, int slots, Index victim)
    {
        bool hit = cache.Remove(used);
        while (!hit && cache.Count >= slots)
        {
            cache.RemoveAt(victim.GetOffset(cache.Count));
        }

        cache.Add(used);
        return hit ? 0 : 1;
    }
}
