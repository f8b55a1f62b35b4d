using TpmFs.Clients;
using TpmFs.Daemon.Tests.Fakes;
using TpmFs.Fuse;
using TpmFs.Policy;
using static TpmFs.Daemon.Tests.Doors.Fuse.TpmFileFixture;

namespace TpmFs.Daemon.Tests.Doors.Fuse;

/// <summary>Completion, interrupt, release and reads at one moment, on threads of their own, many times over.</summary>
public sealed class TpmFileRaceTests
{
    private const int Rounds = 2000;

    [Fact]
    public void Completion_against_interrupt_answers_once_and_loses_no_response()
    {
        for (int round = 0; round < Rounds; round++)
        {
            using var fixture = new TpmFileFixture();
            fixture.Write(Command());
            FakeReply reply = fixture.Read();

            AtOnce(() => fixture.Space.Answer(1, 2), reply.Interrupt);

            Assert.Equal(1, reply.Answers);
            if (reply.Error == Errno.EINTR)
            {
                Assert.Equal([1, 2], fixture.Read().Data);
            }
            else
            {
                Assert.Equal([1, 2], reply.Data);
                Assert.Empty(fixture.Read().Data);
            }
        }
    }

    [Fact]
    public void Completion_against_interrupt_against_release_answers_every_read_once()
    {
        for (int round = 0; round < Rounds; round++)
        {
            using var fixture = new TpmFileFixture();
            fixture.Write(Command());
            FakeReply[] replies = [fixture.Read(1), fixture.Read(), fixture.Read()];

            AtOnce(() => fixture.Space.Answer(1, 2), replies[1].Interrupt, fixture.File.Release);

            Assert.All(replies, reply => Assert.Equal(1, reply.Answers));
            Assert.All(replies, reply => Assert.Contains(reply.Error, new[] { Errno.None, Errno.EINTR, Errno.ENODEV }));
            Assert.Equal((1, 1), (fixture.Space.Closed, fixture.Left));
        }
    }

    [Fact]
    public void Completion_against_reads_that_arrive_hands_out_each_byte_once()
    {
        for (int round = 0; round < Rounds; round++)
        {
            using var fixture = new TpmFileFixture();
            fixture.Write(Command());
            var first = new FakeReply();
            var second = new FakeReply();

            AtOnce(
                () => fixture.Space.Answer(1, 2, 3),
                () => fixture.File.Read(new FuseReadArguments(0, 2, 0), first.Token),
                () => fixture.File.Read(new FuseReadArguments(0, 2, 0), second.Token));

            byte[] all = [.. first.Data, .. second.Data];
            Assert.Equal(new byte[] { 1, 2, 3 }, all.Order());
            Assert.Equal((1, 1), (first.Answers, second.Answers));
        }
    }

    /// <summary>
    /// The next command may be written as soon as one of the reads has the answer, while the others are still to be
    /// told that there is nothing for them.
    /// </summary>
    [Fact]
    public void Reads_that_wait_for_one_command_do_not_wait_for_the_next()
    {
        for (int round = 0; round < Rounds / 4; round++)
        {
            using var fixture = new TpmFileFixture();
            fixture.Write(Command());
            FakeReply[] replies = [.. Enumerable.Range(0, 256).Select(_ => fixture.Read())];

            AtOnce(() => fixture.Space.Answer(1), () => WriteNext(fixture));

            Assert.Equal([1], replies[0].Data);
            Assert.All(
                replies[1..],
                reply => Assert.Equal((true, Errno.None, 0), (reply.Answered, reply.Error, reply.Data.Length)));
        }
    }

    [Fact]
    public void A_revocation_against_a_release_leaves_nothing_of_the_opener_in_the_domain()
    {
        using var context = new ConversationContext(TimeProvider.System, Serilog.Core.Logger.None);
        for (int round = 0; round < Rounds; round++)
        {
            var members = new DomainMembers(context.Places, account: null);
            members.TakePlace(IdentityOf(1).Client.Uid, Standing.User, owner: 0, max: 2);
            Conversation conversation = Conversation.TryBegin(
                context, IdentityOf(1), MaxCommandSize, client => new FakeSpace(client), members)!;
            members.TryAdd(conversation);

            AtOnce(conversation.Revoke, conversation.Close);

            Assert.Equal((0, 0), (members.Open.Length, members.CountRevoked(null)));
        }
    }

    [Fact]
    public void Of_two_writes_at_once_one_is_EBUSY()
    {
        for (int round = 0; round < Rounds; round++)
        {
            using var fixture = new TpmFileFixture();
            Errno first = default, second = default;

            AtOnce(() => first = fixture.Write(Command()), () => second = fixture.Write(Command()));

            Assert.Equal(new[] { Errno.None.Value, Errno.EBUSY.Value }, new[] { first.Value, second.Value }.Order());
            Assert.Single(fixture.Space.Submitted);
        }
    }

    [Fact]
    public void A_poll_against_completion_sees_the_response_or_is_notified()
    {
        for (int round = 0; round < Rounds; round++)
        {
            using var fixture = new TpmFileFixture();
            fixture.Write(Command());
            PollEvents ready = default;

            AtOnce(() => fixture.Space.Answer(1), () => ready = fixture.Poll(notify: 1));

            Assert.True(ready == Readable || fixture.Notifier.Polls.Count == 1);
        }
    }

    /// <summary>Writes as soon as that is possible: no moment of it may pass.</summary>
    private static void WriteNext(TpmFileFixture fixture)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (fixture.Write(Command()).IsError)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(30), "EBUSY for ever");
        }
    }

    private static void AtOnce(params Action[] actions)
    {
        using var start = new Barrier(actions.Length);
        Exception? failure = null;
        Thread[] threads = actions.Select(action => new Thread(() =>
        {
            try
            {
                start.SignalAndWait();
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Assert.All(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(30)), "a thread hangs"));
        Assert.Null(failure);
    }
}
