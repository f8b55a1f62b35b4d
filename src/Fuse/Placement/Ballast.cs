namespace TpmFs.Fuse.Placement;

/// <summary>
/// A thread that does nothing, but is ready to run at the right moment. The kernel wakes a client that polls by a
/// synchronous wake-up: it takes the client to the CPU of the thread that notifies it, if no other thread is ready to
/// run there (wake_affine_idle in the scheduler). A client that is to stay on its own CPU is kept there by this thread.
/// </summary>
internal sealed class Ballast
{
    private readonly EventCount _ready;
    private volatile int _id;
    private volatile bool _hasEnded;

    private Ballast(EventCount ready) => _ready = ready;

    /// <summary>Gets the thread's id; 0 until it has begun to run. Any thread.</summary>
    public int Id => _id;

    /// <summary>Starts the thread.</summary>
    /// <returns>Null where the process has no descriptor left for it.</returns>
    public static Ballast? Start()
    {
        if (EventCount.Create(out EventCount? ready).IsError)
        {
            return null;
        }

        var ballast = new Ballast(ready!);
        new Thread(ballast.Run) { IsBackground = true, Name = "fuse ballast" }.Start();
        return ballast;
    }

    /// <summary>Makes the thread ready to run for a moment. Any thread.</summary>
    public void Rouse() => _ready.Signal();

    /// <summary>Lets the thread end. Nobody calls any member from then on.</summary>
    public void End()
    {
        _hasEnded = true;
        _ready.Signal();
    }

    private void Run()
    {
        _id = ThreadCalls.CurrentThread;
        while (!_hasEnded)
        {
            _ready.Wait();
        }

        _ready.Dispose();
    }
}
