using TpmFs.Fuse.Placement;

namespace TpmFs.Fuse.Session;

/// <summary>
/// A thread that is lent for answered writes in the reading thread's place, while it is open. It starts when it is
/// opened for the first time.
/// </summary>
/// <param name="lender">Lends this thread for writes.</param>
/// <param name="owner">The session.</param>
internal sealed class CommandThread(Lender lender, IRequestLoopOwner owner) : ICommandThread
{
    private readonly object _gate = new();
    private readonly Queue<WrittenFile> _waiting = new();
    private Ballast? _ballast;
    private volatile int _id;
    private volatile bool _isOpen;
    private bool _isAsleep;
    private bool _hasEnded;

    /// <summary>How many writes were begun.</summary>
    private long _begun;

    /// <summary>The same when the thread was last looked at.</summary>
    private long _seen;

    /// <summary>Gets the thread; null until it was started.</summary>
    public Thread? Thread { get; private set; }

    /// <summary>True while this thread is to be lent for writes. Any thread.</summary>
    public bool IsOpen => _isOpen;

    public int Id => _id;

    public int BallastId => _ballast?.Id ?? 0;

    /// <summary>Takes a write over. The reading thread.</summary>
    /// <returns>False when the caller has to be lent for it.</returns>
    public bool TryTake(WrittenFile file)
    {
        lock (_gate)
        {
            if (!_isOpen)
            {
                return false;
            }

            _waiting.Enqueue(file);
            if (_isAsleep)
            {
                _isAsleep = false;
                Monitor.Pulse(_gate);
            }

            return true;
        }
    }

    public void Open()
    {
        if (Thread is null)
        {
            owner.Enters();
            _ballast = Ballast.Start();
            Thread = new Thread(Run) { IsBackground = true, Name = "fuse commands" };
            Thread.Start();
        }

        _isOpen = true;
    }

    public void Close()
    {
        lock (_gate)
        {
            _isOpen = false;
            while (_waiting.TryDequeue(out WrittenFile file))
            {
                ThreadPool.UnsafeQueueUserWorkItem(LendToEnd, file, preferLocal: false);
            }
        }
    }

    public bool IsStuck()
    {
        lock (_gate)
        {
            bool isStuck = !_isAsleep && _begun == _seen && _waiting.Count > 0;
            _seen = _begun;
            return isStuck;
        }
    }

    /// <summary>
    /// The calling thread is about to notify a client that polls. The client is not to come to this thread's CPU.
    /// </summary>
    public void BeforePoll()
    {
        if (Thread.CurrentThread == Thread)
        {
            _ballast?.Rouse();
        }
    }

    /// <summary>
    /// Begins no write any more. The thread ends once it is through with the one that it is at. Nobody opens it from
    /// then on.
    /// </summary>
    public void End()
    {
        lock (_gate)
        {
            _isOpen = false;
            _hasEnded = true;
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        _id = ThreadCalls.CurrentThread;
        while (TryAwait(out WrittenFile file))
        {
            if (lender.Lend(file) == FuseLendResult.Again)
            {
                LendAgain(file);
            }
        }

        _ballast?.End();
        owner.Left();
    }

    private bool TryAwait(out WrittenFile file)
    {
        lock (_gate)
        {
            while (!_waiting.TryDequeue(out file) && !_hasEnded)
            {
                _isAsleep = true;
                Monitor.Wait(_gate);
            }

            _isAsleep = false;
            _begun++;
            return !_hasEnded;
        }
    }

    /// <summary>The write comes after those that wait.</summary>
    private void LendAgain(WrittenFile file)
    {
        lock (_gate)
        {
            _waiting.Enqueue(file);
        }
    }

    private void LendToEnd(WrittenFile file)
    {
        if (!owner.HasEnded)
        {
            lender.LendToEnd(file);
        }
    }
}
