using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Fakes;

/// <summary>One read's answer; fails the test that answers it twice.</summary>
internal sealed class FakeReply : FuseReadReply
{
    private readonly TaskCompletionSource<(byte[] Data, Errno Error)> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int answers;

    public IFuseInterruptible? Owner { get; private set; }

    /// <summary>Runs inside <see cref="Keep"/>.</summary>
    public Action? OnKeep { get; set; }

    public bool Answered => answer.Task.IsCompleted;

    public int Answers => Volatile.Read(ref answers);

    public byte[] Data => Result().Data;

    public Errno Error => Result().Error;

    public override void Keep(IFuseInterruptible owner)
    {
        Assert.Null(Owner);
        Owner = owner;
        OnKeep?.Invoke();
    }

    public void Interrupt() => Owner!.Interrupted(this);

    public override bool Complete(ReadOnlySpan<byte> data)
    {
        Interlocked.Increment(ref answers);
        return answer.TrySetResult((data.ToArray(), Errno.None));
    }

    public override void Fail(Errno error)
    {
        Interlocked.Increment(ref answers);
        answer.TrySetResult(([], error));
    }

    private (byte[] Data, Errno Error) Result()
    {
        Assert.True(answer.Task.Wait(TimeSpan.FromSeconds(30)), "the read was never answered");
        return answer.Task.Result;
    }
}
