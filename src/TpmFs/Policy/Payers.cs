using System.Collections.Immutable;

namespace TpmFs.Policy;

/// <summary>
/// Tells which user's share pays for a uid. A user to whom the system gives subordinate uids (subuid(5)) can be as many
/// users as there are uids, and would have as many shares. Any thread.
/// </summary>
internal sealed class Payers
{
    // by their first uids; they do not overlap
    private ImmutableArray<SubordinateUids> _ranges = [];

    /// <summary>Returns the user whose share a uid uses: its own, or that of the user to whom it is given.</summary>
    public uint Of(uint uid)
    {
        ImmutableArray<SubordinateUids> ranges = _ranges;
        int low = 0, high = ranges.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = ranges[middle].First <= uid ? (middle + 1, high) : (low, middle);
        }

        return low > 0 && uid - ranges[low - 1].First < ranges[low - 1].Count ? ranges[low - 1].Owner : uid;
    }

    /// <summary>
    /// Replaces the known ranges. Root's ranges, with which root starts containers, are left out: each of their uids
    /// has a share of its own. Of ranges that overlap, the one that begins first goes before.
    /// </summary>
    public void Use(IEnumerable<SubordinateUids> ranges)
    {
        ImmutableArray<SubordinateUids>.Builder known = ImmutableArray.CreateBuilder<SubordinateUids>();
        ulong end = 1; // root is nobody else, whatever a file says
        foreach (SubordinateUids range in ranges.Where(range => range.Owner != 0).OrderBy(range => range.First))
        {
            ulong first = Math.Max(range.First, end);
            ulong next = Math.Min((ulong)range.First + range.Count, uint.MaxValue);
            if (first < next)
            {
                known.Add(new SubordinateUids((uint)first, (uint)(next - first), range.Owner));
                end = next;
            }
        }

        ImmutableInterlocked.InterlockedExchange(ref _ranges, known.ToImmutable());
    }
}

/// <summary>Uids that the system gives to a user.</summary>
/// <param name="First">The first of them.</param>
/// <param name="Count">The number of uids.</param>
/// <param name="Owner">The user to whom they are given.</param>
internal readonly record struct SubordinateUids(uint First, uint Count, uint Owner);
