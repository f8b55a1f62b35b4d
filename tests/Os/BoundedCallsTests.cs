using System.Diagnostics;

namespace TpmFs.Os.Tests;

/// <summary>Calls that may take for ever.</summary>
public sealed class BoundedCallsTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly ManualResetEventSlim _end = new();

    public void Dispose() => _end.Set();

    [Fact]
    public void An_answer_is_the_call_s_and_a_failure_is_none()
    {
        var calls = new BoundedCalls("test", 1, TimeSpan.Zero);
        for (int i = 0; i < 100; i++)
        {
            string? answer = null;
            Assert.True(
                SpinWait.SpinUntil(() => (answer = calls.Run(s_patience, () => $"{i}")) is not null, s_patience));
            Assert.Equal($"{i}", answer);
            Assert.Null(calls.Run<string>(s_patience, () => throw new IOException()));
        }
    }

    [Fact]
    public void A_call_that_takes_for_ever_keeps_its_caller_for_the_limit_alone_and_others_not_at_all()
    {
        var calls = new BoundedCalls("test", 2, TimeSpan.Zero);
        Assert.Null(calls.Run(s_limit, WaitForEnd));
        Assert.Equal("answer", calls.Run(s_patience, () => "answer"));
    }

    [Fact]
    public void When_all_threads_are_busy_nobody_waits_until_one_has_rested()
    {
        var calls = new BoundedCalls("test", 2, maxRest: TimeSpan.FromSeconds(1));
        Assert.Null(calls.Run(s_limit, WaitForEnd));
        Assert.Null(calls.Run(s_limit, WaitForEnd));
        Assert.Null(calls.Run<string>(Timeout.InfiniteTimeSpan, () => throw new InvalidOperationException("not made")));

        long ended = Stopwatch.GetTimestamp();
        _end.Set();
        Assert.True(SpinWait.SpinUntil(() => calls.Run(s_patience, () => "answer") is not null, s_patience));
        Assert.InRange(Stopwatch.GetElapsedTime(ended).TotalSeconds, 0.9, s_patience.TotalSeconds);
    }

    private string WaitForEnd()
    {
        _end.Wait();
        return "late";
    }
}
