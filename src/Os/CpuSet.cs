using System.Numerics;

namespace TpmFs.Os;

/// <summary>A set of CPUs, as sched_setaffinity(2) takes it. Not synchronised.</summary>
public sealed unsafe class CpuSet : IEquatable<CpuSet>
{
    /// <summary>The most CPUs that a kernel can be built for (NR_CPUS).</summary>
    private const int MaxCpus = 8192;

    private const int WordBits = 64;
    private readonly ulong[] _words = new ulong[MaxCpus / WordBits];

    /// <summary>Gets the number of CPUs in the set.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            foreach (ulong word in _words)
            {
                count += BitOperations.PopCount(word);
            }

            return count;
        }
    }

    /// <summary>True when the CPU is in the set.</summary>
    public bool Contains(int cpu) =>
        cpu is >= 0 and < MaxCpus && ((_words[cpu / WordBits] >> (cpu % WordBits)) & 1) != 0;

    /// <summary>Takes all CPUs out.</summary>
    public void Clear() => _words.AsSpan().Clear();

    /// <summary>Puts a CPU in.</summary>
    /// <param name="cpu">0 to 8191.</param>
    public void Add(int cpu) => _words[cpu / WordBits] |= 1UL << (cpu % WordBits);

    /// <summary>Takes a CPU out.</summary>
    /// <param name="cpu">0 to 8191.</param>
    public void Remove(int cpu) => _words[cpu / WordBits] &= ~(1UL << (cpu % WordBits));

    /// <summary>
    /// Returns the CPU of the set that comes next after another one, the first after the last. The set must hold one
    /// besides <paramref name="except"/>.
    /// </summary>
    /// <param name="cpu">0 to 8191, whether in the set or not.</param>
    /// <param name="except">A CPU that is not wanted.</param>
    public int Next(int cpu, int except)
    {
        do
        {
            cpu = (cpu + 1) % MaxCpus;
        }
        while (!Contains(cpu) || cpu == except);

        return cpu;
    }

    /// <summary>Makes this the same set as another.</summary>
    public void CopyFrom(CpuSet other) => other._words.CopyTo(_words, 0);

    /// <summary>Makes this the set of CPUs on which a thread may run.</summary>
    /// <param name="thread">A thread's id, of whatever process; a process's for its main thread.</param>
    public Errno ReadFrom(int thread)
    {
        fixed (ulong* start = _words)
        {
            return Errno.Of(LibC.sched_getaffinity(thread, (nuint)(_words.Length * sizeof(ulong)), start));
        }
    }

    /// <summary>
    /// Lets a thread run on these CPUs only. EINVAL where none of them is there for it (cpuset(7), hot-unplug).
    /// </summary>
    /// <param name="thread">A thread's id, of whatever process; a process's for its main thread.</param>
    public Errno ApplyTo(int thread)
    {
        fixed (ulong* start = _words)
        {
            return Errno.Of(LibC.sched_setaffinity(thread, (nuint)(_words.Length * sizeof(ulong)), start));
        }
    }

    public bool Equals(CpuSet? other) => other is not null && _words.AsSpan().SequenceEqual(other._words);

    public override bool Equals(object? obj) => Equals(obj as CpuSet);

    public override int GetHashCode() => Count;
}
