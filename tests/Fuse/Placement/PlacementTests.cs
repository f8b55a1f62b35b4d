using TpmFs.Fuse.Placement;
using TpmFs.Os;
using TpmFs.TestSupport;

namespace TpmFs.Fuse.Tests.Placement;

/// <summary>
/// A reader on the machine of <see cref="FakeThreads"/>, with a TPM. The test looks every 5 ms, as the watching thread
/// does.
/// </summary>
public abstract class PlacementTests
{
    protected const int Reader = 100;
    protected const int Tpm = FakeThreads.Tpm;

    /// <summary>Requests between two looks that are worth placing the reader.</summary>
    protected const int Many = 50;

    protected PlacementTests()
    {
        Placement = NewPlacement(mayIdle: true);
    }

    private protected FakeThreads Threads { get; } = new();

    private protected FakeCommandThread Commands { get; } = new();

    private protected ManualTime Time { get; } = new();

    private protected ReaderPlacement Placement { get; }

    /// <summary>Gets or sets the process that the TPM has at present.</summary>
    protected int TpmProcess { get; set; } = Tpm;

    private protected ReaderPlacement NewPlacement(bool mayIdle) =>
        new(
            Threads,
            new CompanionPlacement(Threads, new Companions(Threads, [() => TpmProcess]), Time) { Commands = Commands },
            mayIdle, Time);

    /// <summary>
    /// Asserts that the reader runs as a thread that is not placed; the TPM too, where no thread is placed.
    /// </summary>
    protected void AssertFree(int reader = Reader)
    {
        Assert.Equal(SchedulingClass.Other, Threads.ClassOf(reader));
        Assert.Equal(Threads.Allowed, Threads.AffinityOf(reader));
        if (Placement.Cpu is null)
        {
            Assert.Equal(Threads.Allowed, Threads.AffinityOf(Tpm));
        }
    }

    /// <summary>Makes the reader wait for its CPU.</summary>
    /// <param name="time">How long, in all.</param>
    /// <param name="slices">How often it got the CPU: often, where it only waited behind its own clients.</param>
    protected void WaitForCpu(TimeSpan time, int slices = 1) =>
        Threads.Waits = new CpuWaits(Threads.Waits.Delay + time, Threads.Waits.Slices + slices);

    protected void Look(long requests = Many, uint client = 1)
    {
        Time.Advance(TimeSpan.FromMilliseconds(5));
        Placement.NoteWrite(client);
        Placement.Look(Reader, requests);
    }

    /// <summary>Looks several times.</summary>
    protected void Looks(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Look();
        }
    }

    protected void LookUntilIdle()
    {
        for (int i = 0; i < 2000 && Threads.ClassOf(Reader) != SchedulingClass.Idle; i++)
        {
            Look();
        }

        Assert.Equal(SchedulingClass.Idle, Threads.ClassOf(Reader));
    }
}

/// <summary>A thread for commands that is told what to say.</summary>
internal sealed class FakeCommandThread : ICommandThread
{
    public int Id => 400;

    public int BallastId => 401;

    public bool IsOpen { get; private set; }

    public bool Stuck { get; set; }

    public void Open() => IsOpen = true;

    public void Close() => IsOpen = false;

    public bool IsStuck() => Stuck;
}
