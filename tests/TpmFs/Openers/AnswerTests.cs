using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Openers;

namespace TpmFs.Daemon.Tests.Openers;

public sealed class AnswerTests
{
    [Fact]
    public void What_was_read_is_wiped_and_nothing_else()
    {
        var answer = Answer.Of([1, 2, 3, 4], readyAt: 0);
        var first = answer.Take(2);
        var second = answer.Take(2);

        first.SendTo(new FakeReply().Token);

        Assert.Equal([0, 0], first.Bytes.ToArray());
        Assert.Equal([3, 4], second.Bytes.ToArray());
    }

    [Fact]
    public void What_nobody_read_is_wiped_and_nothing_else()
    {
        var answer = Answer.Of([1, 2, 3, 4], readyAt: 0);
        var taken = answer.Take(2);

        answer.Wipe();

        Assert.Equal([1, 2], taken.Bytes.ToArray());
        Assert.Equal([0, 0], answer.Take(2).Bytes.ToArray());
    }
}
