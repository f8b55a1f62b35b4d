using System.Collections.Concurrent;
using TpmFs.Rm;

namespace TpmFs.Domains;

/// <summary>A directory of nodes with its own limits. Any thread.</summary>
/// <param name="name">For logs.</param>
/// <param name="limits">What the resource manager holds each of its openers to.</param>
/// <param name="openersMax">The most openers at once.</param>
internal sealed class Domain(string name, SpaceLimits limits, int openersMax)
{
    private readonly ConcurrentDictionary<uint, SchedulingGroup> groups = new();
    private int openers;

    public string Name { get; } = name;

    /// <summary>The most openers at once; holds for the next open.</summary>
    public int OpenersMax { get; set; } = openersMax;

    public int Openers => Volatile.Read(ref openers);

    /// <summary>
    /// The share of the TPM's time that a user has through this domain's shared nodes: one for each, so that users are fair to each other.
    /// Always the same one for a user, because saved sessions are shared within it.
    /// </summary>
    public SchedulingGroup GroupOf(uint uid) => groups.GetOrAdd(uid, static (id, of) => new SchedulingGroup($"{of.Name}:{id}", of.limits), (Name, limits));

    /// <summary>Counts one more opener. False when there are as many as there may be.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref openers) <= OpenersMax)
        {
            return true;
        }

        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref openers);
}
