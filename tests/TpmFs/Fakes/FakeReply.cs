using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Fakes;

/// <summary>One read's answer. It counts the answers: more than one is a bug of the filesystem.</summary>
internal sealed class FakeReply : IFuseReadReplies
{
    private readonly TaskCompletionSource<(byte[] Data, Errno Error)> _answer =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IFuseInterruptible? _owner;
    private int _answers;

    public FuseReadReply Token => new(this, 1);

    /// <summary>Runs inside Keep.</summary>
    public Action? OnKeep { get; set; }

    /// <summary>Runs inside Complete.</summary>
    public Action? OnComplete { get; set; }

    public bool Answered => _answer.Task.IsCompleted;

    public int Answers => Volatile.Read(ref _answers);

    public byte[] Data => Result().Data;

    public Errno Error => Result().Error;

    public void Interrupt() => _owner!.Interrupted(Token);

    public void Keep(FuseReadReply reply, IFuseInterruptible owner)
    {
        Assert.Null(_owner);
        _owner = owner;
        OnKeep?.Invoke();
    }

    public void Note(FuseReadReply reply, in FuseReadNote note) => Noted = note;

    /// <summary>Gets the last note of it.</summary>
    public FuseReadNote Noted { get; private set; }

    public bool Complete(FuseReadReply reply, ReadOnlySpan<byte> data)
    {
        Interlocked.Increment(ref _answers);
        bool first = _answer.TrySetResult((data.ToArray(), Errno.None));
        OnComplete?.Invoke();
        return first;
    }

    public void Fail(FuseReadReply reply, Errno error)
    {
        Interlocked.Increment(ref _answers);
        _answer.TrySetResult(([], error));
    }

    private (byte[] Data, Errno Error) Result()
    {
        Assert.True(_answer.Task.Wait(TimeSpan.FromSeconds(30)), "the read was never answered");
        return _answer.Task.Result;
    }
}
