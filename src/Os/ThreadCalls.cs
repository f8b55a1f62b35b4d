using System.Buffers.Text;
using System.Globalization;
using System.Text.Unicode;

namespace TpmFs.Os;

/// <summary>A thread's scheduling class (sched(7)). The program tells three of them apart.</summary>
public enum SchedulingClass
{
    /// <summary>SCHED_OTHER: the usual class.</summary>
    Other = 0,

    /// <summary>SCHED_IDLE: runs where its CPU has nothing else to do, and hardly ever where it has.</summary>
    Idle = 5,

    /// <summary>Any other class.</summary>
    Special = -1,
}

/// <summary>The waiting of a thread for a CPU (/proc/PID/schedstat).</summary>
/// <param name="Delay">The time in all during which it was ready to run and did not.</param>
/// <param name="Slices">The number of times that it was given a CPU.</param>
public readonly record struct CpuWaits(TimeSpan Delay, long Slices)
{
    /// <summary>Returns the waiting of two threads together.</summary>
    public static CpuWaits operator +(CpuWaits one, CpuWaits other) =>
        new(one.Delay + other.Delay, one.Slices + other.Slices);

    /// <summary>Returns the waiting since an earlier reading.</summary>
    public static CpuWaits operator -(CpuWaits now, CpuWaits earlier) =>
        new(now.Delay - earlier.Delay, now.Slices - earlier.Slices);
}

/// <summary>
/// Makes system calls on where and how threads run. A thread is named by its id (gettid(2)). Methods that are called
/// all the time allocate nothing.
/// </summary>
public static unsafe class ThreadCalls
{
    private const int StateField = 3; // "state" in proc_pid_stat(5)
    private const int CpuField = 39; // "processor"
    private const int MaxPath = 64;
    private const int MaxStat = 1024;

    /// <summary>The calling thread's id.</summary>
    public static int CurrentThread => LibC.gettid();

    /// <summary>Returns the ids of this process's threads.</summary>
    public static IEnumerable<int> OwnThreads() =>
        ProcFs.NamesIn("self/task").Select(name => int.Parse(name, CultureInfo.InvariantCulture));

    /// <summary>Returns a thread's class; <see cref="SchedulingClass.Special"/> for one that has ended, too.</summary>
    public static SchedulingClass ClassOf(int thread) => LibC.sched_getscheduler(thread) switch
    {
        (int)SchedulingClass.Other => SchedulingClass.Other,
        (int)SchedulingClass.Idle => SchedulingClass.Idle,
        _ => SchedulingClass.Special,
    };

    /// <summary>
    /// Sets a thread's class. EPERM where a thread is to leave SCHED_IDLE without CAP_SYS_NICE, or an RLIMIT_NICE that
    /// allows its nice value.
    /// </summary>
    /// <param name="thread">A thread's id; 0 for the caller.</param>
    /// <param name="wanted">Not <see cref="SchedulingClass.Special"/>.</param>
    public static Errno SetClass(int thread, SchedulingClass wanted)
    {
        int priority = 0;
        return Errno.Of(LibC.sched_setscheduler(thread, (int)wanted, &priority));
    }

    /// <summary>
    /// Lets a thread run where this process's main thread may run, and in the usual class if that one is.
    /// </summary>
    /// <param name="thread">A thread's id. One that has ended is no error.</param>
    public static void PlaceAsMainThread(int thread)
    {
        int main = Environment.ProcessId;
        var cpus = new CpuSet();
        if (!cpus.ReadFrom(main).IsError)
        {
            _ = cpus.ApplyTo(thread);
        }

        if (ClassOf(main) == SchedulingClass.Other && ClassOf(thread) == SchedulingClass.Idle)
        {
            _ = SetClass(thread, SchedulingClass.Other);
        }
    }

    /// <summary>
    /// Returns the CPU on which a thread, of whatever process, ran last; null where the thread has ended, or cannot be
    /// seen from here.
    /// </summary>
    public static int? LastCpuOf(uint thread)
    {
        Span<byte> stat = stackalloc byte[MaxStat];
        return TryRead(thread, "stat", stat, out int length) ? ParseCpu(stat[..length]) : null;
    }

    /// <summary>Returns true when a thread, of whatever process, runs or waits for a CPU.</summary>
    public static bool IsReady(int thread)
    {
        Span<byte> stat = stackalloc byte[MaxStat];
        return TryRead((uint)thread, "stat", stat, out int length)
            && FieldOf(stat[..length], StateField).SequenceEqual("R"u8);
    }

    /// <summary>Reads how long a thread, of whatever process, has waited for a CPU.</summary>
    /// <returns>False where the kernel does not count it, or the thread has ended.</returns>
    public static bool TryGetWaits(int thread, out CpuWaits waits)
    {
        Span<byte> stat = stackalloc byte[MaxStat];
        waits = default;
        return TryRead((uint)thread, "schedstat", stat, out int length)
            && TryParseWaits(stat[..length], out waits);
    }

    /// <summary>Finds the CPU in a stat file.</summary>
    internal static int? ParseCpu(ReadOnlySpan<byte> stat)
    {
        ReadOnlySpan<byte> number = FieldOf(stat, CpuField);
        bool isNumber = Utf8Parser.TryParse(number, out int cpu, out int used) && used == number.Length;
        return isNumber && cpu >= 0 ? cpu : null;
    }

    /// <summary>
    /// Finds a field of a stat file, after the second. The second is the process's name, which may hold anything, and
    /// ends with the last parenthesis.
    /// </summary>
    /// <returns>Nothing where there are fewer fields.</returns>
    private static ReadOnlySpan<byte> FieldOf(ReadOnlySpan<byte> stat, int wanted)
    {
        ReadOnlySpan<byte> rest = stat[(stat.LastIndexOf((byte)')') + 1)..];
        int field = 2;
        foreach (Range range in rest.Split((byte)' '))
        {
            if (field++ == wanted)
            {
                return rest[range];
            }
        }

        return [];
    }

    /// <summary>Reads a schedstat file: nanoseconds that ran, nanoseconds that waited, slices.</summary>
    internal static bool TryParseWaits(ReadOnlySpan<byte> stat, out CpuWaits waits)
    {
        waits = default;
        if (!TryTakeNumber(ref stat, out _) || !TryTakeNumber(ref stat, out long nanoseconds)
            || !TryTakeNumber(ref stat, out long slices))
        {
            return false;
        }

        waits = new CpuWaits(TimeSpan.FromTicks(nanoseconds / TimeSpan.NanosecondsPerTick), slices);
        return true;
    }

    private static bool TryTakeNumber(ref ReadOnlySpan<byte> text, out long number)
    {
        text = text.TrimStart((byte)' ');
        bool isNumber = Utf8Parser.TryParse(text, out number, out int used);
        text = text[used..];
        return isNumber;
    }

    /// <summary>
    /// Reads the beginning of a thread's own file: for that of its process the kernel adds up all threads, of which
    /// there may be thousands.
    /// </summary>
    private static bool TryRead(uint thread, string name, Span<byte> buffer, out int length)
    {
        Span<byte> path = stackalloc byte[MaxPath];
        length = 0;
        return Utf8.TryWrite(path, CultureInfo.InvariantCulture, $"{thread}/task/{thread}/{name}\0", out _)
            && ProcFs.TryRead(path, buffer, out length);
    }
}
