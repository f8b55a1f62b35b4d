using TpmFs.Clients;

namespace TpmFs.Daemon.Tests.Clients;

public sealed class AnswerTests
{
    private readonly BytesPool _bytes = new(null);
    private readonly AnswerPool _pool;

    public AnswerTests() => _pool = new AnswerPool(_bytes);

    [Fact]
    public void The_bytes_that_were_read_are_wiped_and_no_others()
    {
        Answer answer = Of([1, 2, 3, 4], readyAt: 0);
        Portion first = answer.Take(2);
        Portion second = answer.Take(2);

        first.Sent();

        Assert.Equal([0, 0], first.Bytes.ToArray());
        Assert.Equal([3, 4], second.Bytes.ToArray());
    }

    [Fact]
    public void The_bytes_that_nobody_read_are_wiped_and_no_others()
    {
        Answer answer = Of([1, 2, 3, 4], readyAt: 0);
        Portion taken = answer.Take(2);
        Memory<byte> rest = answer.Take(2).Bytes;
        Answer dropped = Of([5, 6], readyAt: 0);
        Memory<byte> unread = _last!.Bytes;

        dropped.Drop();
        answer.Drop();

        Assert.Equal([1, 2], taken.Bytes.ToArray());
        Assert.Equal([3, 4], rest.ToArray());
        Assert.Equal([0, 0], unread.ToArray());
    }

    [Fact]
    public void An_answer_is_used_again_once_it_is_dropped_and_its_parts_are_sent()
    {
        Answer answer = Of([1, 2, 3, 4], readyAt: 0);
        Portion part = answer.Take(4);

        answer.Drop();
        Answer meanwhile = Of([5, 6], readyAt: 0);
        byte[] sent = part.Bytes.ToArray();
        part.Sent();

        Assert.NotSame(answer, meanwhile);
        Assert.Equal([1, 2, 3, 4], sent);
        Assert.Same(answer, Of([7], readyAt: 1));
        Assert.Equal([7], answer.Take(9).Bytes.ToArray());
    }

    private KeptBytes? _last;

    private Answer Of(byte[] response, long readyAt)
    {
        _last = _bytes.Rent(response.Length);
        _last.Fill(conversation: 1, turn: 1, response);
        return _pool.Of(_last, readyAt);
    }
}
