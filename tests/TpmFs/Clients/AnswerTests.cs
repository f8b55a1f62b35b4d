using TpmFs.Clients;

namespace TpmFs.Daemon.Tests.Clients;

public sealed class AnswerTests
{
    private readonly AnswerPool _pool = new();

    [Fact]
    public void What_was_read_is_wiped_and_nothing_else()
    {
        Answer answer = _pool.Of([1, 2, 3, 4], readyAt: 0);
        Portion first = answer.Take(2);
        Portion second = answer.Take(2);

        first.Sent();

        Assert.Equal([0, 0], first.Bytes.ToArray());
        Assert.Equal([3, 4], second.Bytes.ToArray());
    }

    [Fact]
    public void What_nobody_read_is_wiped_and_nothing_else()
    {
        Answer answer = _pool.Of([1, 2, 3, 4], readyAt: 0);
        Portion taken = answer.Take(2);
        ArraySegment<byte> rest = answer.Take(2).Bytes;
        Answer dropped = _pool.Of([5, 6], readyAt: 0);
        byte[] unread = dropped.Take(0).Bytes.Array!;

        dropped.Drop();
        answer.Drop();

        Assert.Equal([1, 2], taken.Bytes.ToArray());
        Assert.Equal([3, 4], rest.ToArray());
        Assert.Equal([0, 0], unread);
    }

    [Fact]
    public void An_answer_is_used_again_once_it_is_dropped_and_its_parts_are_sent()
    {
        Answer answer = _pool.Of([1, 2, 3, 4], readyAt: 0);
        Portion part = answer.Take(4);

        answer.Drop();
        Answer meanwhile = _pool.Of([5, 6], readyAt: 0);
        byte[] sent = [.. part.Bytes];
        part.Sent();

        Assert.NotSame(answer, meanwhile);
        Assert.Equal([1, 2, 3, 4], sent);
        Assert.Same(answer, _pool.Of([7], readyAt: 1));
        Assert.Equal([7], answer.Take(9).Bytes.ToArray());
    }
}
