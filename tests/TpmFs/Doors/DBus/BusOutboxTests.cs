using TpmFs.Doors.DBus;
using TpmFs.TestSupport;

namespace TpmFs.Daemon.Tests.Doors.DBus;

public sealed class BusOutboxTests
{
    private readonly List<TaskCompletionSource> _probes = [];
    private readonly List<string> _sent = [];
    private readonly ManualTime _clock = new();
    private readonly BusOutbox _outbox;

    public BusOutboxTests() => _outbox = new BusOutbox(
        () =>
        {
            var answer = new TaskCompletionSource();
            _probes.Add(answer);
            return answer.Task;
        },
        _clock);

    [Fact]
    public void A_message_of_a_quiet_bus_is_sent_at_once()
    {
        Assert.True(Send(":1.1").IsCompletedSuccessfully);
        Assert.Empty(_probes);
    }

    [Fact]
    public async Task No_more_is_sent_than_the_bus_has_room_for_until_it_has_read()
    {
        Task[] messages = [.. Enumerable.Range(0, 100).Select(_ => Send(":1.1"))];
        Assert.Equal(BusOutbox.Most, _sent.Count);
        Assert.Single(_probes);

        _probes[0].SetResult(); // It came in the middle: after half of the messages.
        await Task.WhenAll(messages[..(BusOutbox.Most * 3 / 2)]);
        Assert.Equal(BusOutbox.Most * 3 / 2, _sent.Count);
        for (int probe = 1; !messages.All(message => message.IsCompleted); probe++)
        {
            await Until(() => _probes.Count > probe || messages.All(message => message.IsCompleted));
            Assert.InRange(_sent.Count, 0, (probe + 1) * BusOutbox.Most);
            _probes.ElementAtOrDefault(probe)?.SetResult();
        }

        Assert.Equal(100, _sent.Count);
    }

    [Fact]
    public async Task Callers_take_turns()
    {
        Task[] many = [.. Enumerable.Range(0, 1000).Select(_ => Send(":1.1"))];
        Task one = Send(":1.2");
        _probes[0].SetResult();
        await one.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(BusOutbox.Most, many.Take(BusOutbox.Most).Count(message => message.IsCompleted));
        Assert.Contains(many, message => !message.IsCompleted);
    }

    /// <summary>Regression: a message that waited held its call's memory and descriptors for ever.</summary>
    [Fact]
    public async Task Nothing_waits_any_more_once_the_bus_is_lost()
    {
        Task[] messages = [.. Enumerable.Range(0, 100).Select(_ => Send(":1.1"))];
        _probes[0].SetException(new Tmds.DBus.Protocol.DBusConnectionClosedException("gone"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => messages[^1]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Send(":1.2"));
        Assert.Equal(BusOutbox.Most, _sent.Count);
    }

    /// <summary>
    /// Regression: the bus drops its own answers while much waits for the daemon. Once an answer was lost, nothing was
    /// sent any more, to nobody.
    /// </summary>
    [Fact]
    public async Task The_bus_is_asked_again_when_its_answer_does_not_come()
    {
        Task[] messages = [.. Enumerable.Range(0, 100).Select(_ => Send(":1.1"))];
        Assert.Single(_probes);
        _clock.Advance(BusOutbox.Patience);
        await Until(() => _probes.Count == 2);
        Assert.Equal(BusOutbox.Most, _sent.Count);
        _probes[1].SetResult();
        await messages[BusOutbox.Most].WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void What_does_not_wait_is_sent_at_once_or_not_at_all()
    {
        Assert.True(_outbox.TrySend(() => _sent.Add(":1.1")));
        Task[] messages = [.. Enumerable.Range(0, BusOutbox.Most).Select(_ => Send(":1.2"))];
        Assert.False(messages[^1].IsCompleted);
        Assert.False(_outbox.TrySend(() => _sent.Add(":1.1")));
        Assert.Equal(BusOutbox.Most, _sent.Count);
    }

    private Task<bool> Send(string caller) => _outbox.SendAsync(caller, () =>
    {
        lock (_sent)
        {
            _sent.Add(caller);
        }

        return true;
    });

    private static async Task Until(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
