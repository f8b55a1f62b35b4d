using System.Collections.Concurrent;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;
using TpmFs.Os;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>The thread that is lent for writes while TPMs work on another CPU.</summary>
public sealed class CommandThreadTests : IRequestLoopOwner, IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly BlockingCollection<(WrittenFile File, Thread On)> _lent = [];
    private readonly SemaphoreSlim _results = new(0);
    private readonly CommandThread _commands;
    private bool _isHeld;
    private int _inside;
    private volatile FuseLendResult _result = FuseLendResult.Done;

    public CommandThreadTests() => _commands = new CommandThread(new Lender(Lend), this);

    bool IRequestLoopOwner.HasEnded => false;

    void IRequestLoopOwner.Enters() => Interlocked.Increment(ref _inside);

    void IRequestLoopOwner.Left() => Interlocked.Decrement(ref _inside);

    void IRequestLoopOwner.Served() => Assert.Fail("Nothing is served here.");

    void IRequestLoopOwner.Lost(Errno error) => Assert.Fail("Nothing is read here.");

    public void Dispose()
    {
        _results.Release(100);
        _commands.End();
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _inside) == 0, s_deadline));
        _lent.Dispose();
        _results.Dispose();
    }

    [Fact]
    public void Writes_are_its_own_only_while_it_is_open()
    {
        Assert.False(_commands.TryTake(File(1)));
        _commands.Open();
        Assert.True(_commands.TryTake(File(2)));
        Assert.True(_commands.TryTake(File(3)));
        (WrittenFile first, Thread on) = Take();
        Assert.Equal(File(2), first);
        Assert.Equal((File(3), on), Take());
        Assert.Equal(_commands.Thread, on);
        _commands.Close();
        Assert.False(_commands.TryTake(File(4)));
        _commands.Open();
        Assert.True(_commands.TryTake(File(5)));
        Assert.Equal((File(5), on), Take());
    }

    [Fact]
    public void It_is_stuck_when_it_is_at_the_same_command_at_two_looks_while_others_wait()
    {
        _isHeld = true;
        _commands.Open();
        Assert.True(_commands.TryTake(File(1)));
        Take();
        Assert.False(_commands.IsStuck());
        Assert.False(_commands.IsStuck());
        Assert.True(_commands.TryTake(File(2)));
        Assert.True(_commands.IsStuck());
        _results.Release();
        Take();
        Assert.True(_commands.TryTake(File(3)));
        Assert.False(_commands.IsStuck());
        Assert.True(_commands.IsStuck());
    }

    [Fact]
    public void Others_are_lent_for_what_waits_for_it_when_it_is_closed()
    {
        _isHeld = true;
        _commands.Open();
        Assert.True(_commands.TryTake(File(1)));
        Assert.Equal(_commands.Thread, Take().On);
        Assert.True(_commands.TryTake(File(2)));
        _commands.Close();
        (WrittenFile file, Thread on) = Take();
        Assert.Equal(File(2), file);
        Assert.NotEqual(_commands.Thread, on);
    }

    [Fact]
    public void A_write_that_needs_a_thread_again_comes_after_those_that_wait()
    {
        _isHeld = true;
        _result = FuseLendResult.Again;
        _commands.Open();
        Assert.True(_commands.TryTake(File(1)));
        Take();
        Assert.True(_commands.TryTake(File(2)));
        _results.Release();
        Assert.Equal(File(2), Take().File);
        _result = FuseLendResult.Done;
        _results.Release();
        Assert.Equal(File(1), Take().File);
    }

    [Fact]
    public void It_leaves_the_filesystem_when_it_ends()
    {
        _commands.Open();
        Assert.Equal(1, Volatile.Read(ref _inside));
        Assert.True(_commands.TryTake(File(1)));
        Take();
        Assert.True(SpinWait.SpinUntil(() => _commands.BallastId != 0, s_deadline));
        Assert.NotEqual(_commands.Id, _commands.BallastId);
        _commands.End();
        Assert.True(_commands.Thread!.Join(s_deadline));
        Assert.Equal(0, Volatile.Read(ref _inside));
        Assert.False(_commands.TryTake(File(2)));
    }

    private static WrittenFile File(ulong number) => new(new NodeId(number), new OpenId(number));

    private (WrittenFile File, Thread On) Take()
    {
        Assert.True(_lent.TryTake(out (WrittenFile, Thread) lent, s_deadline), "No thread was lent.");
        return lent;
    }

    private FuseLendResult Lend(WrittenFile file)
    {
        _lent.Add((file, Thread.CurrentThread));
        if (_isHeld)
        {
            Assert.True(_results.Wait(s_deadline));
        }

        return _result;
    }
}
