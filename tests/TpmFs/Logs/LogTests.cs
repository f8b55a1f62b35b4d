using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Serilog.Core;
using Serilog.Events;
using TpmFs.Logs;
using TpmFs.Policy;

namespace TpmFs.Daemon.Tests.Logs;

public sealed class LogTests
{
    [Fact]
    public void A_journal_entry_has_its_message_priority_and_structured_fields()
    {
        List<string> fields = Journal(
            log => log.Warning(
                "opener {Opener} of {Uid} ran {CommandCode}: {ResponseCode} on {NodeName}", 7, 1000u, "TPM2_Clear",
                "TPM_RC_X", "rm0"));

        Assert.Equal(
            [
                "MESSAGE=opener 7 of 1000 ran TPM2_Clear: TPM_RC_X on rm0", "PRIORITY=4", "SYSLOG_IDENTIFIER=tpmfs",
                "TPMFS_NODE_NAME=rm0", "TPMFS_OPENER=7", "TPMFS_UID=1000", "TPM_CC=TPM2_Clear", "TPM_RC=TPM_RC_X",
            ],
            fields.Take(3).Concat(fields.Skip(3).Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("a\nPRIORITY=0\nb")]
    [InlineData("nul\0 and =")]
    [InlineData("")]
    [InlineData("{Opener} {{")]
    public void Any_value_stays_within_its_field(string value)
    {
        List<string> fields = Journal(log => log.Information("name {Node}", value));

        Assert.Equal(4, fields.Count);
        Assert.Equal($"MESSAGE=name {OutsideText.Line(value)}", fields[0]);
        Assert.Equal($"TPMFS_NODE={value}", fields[3]);
    }

    [Fact]
    public void Half_a_surrogate_pair_becomes_valid_UTF_8_and_a_long_value_is_cut()
    {
        Assert.Equal("TPMFS_NODE=\uFFFD", Journal(log => log.Information("{Node}", "\ud800"))[3]);
        Assert.InRange(Journal(log => log.Information("{Node}", new string('x', 1 << 20)))[3].Length, 1000, 20_000);
    }

    [Theory]
    [InlineData("MountPoint", "TPMFS_MOUNT_POINT")]
    [InlineData("Ünï", "TPMFS__N_")]
    [InlineData("A1b", "TPMFS_A1B")]
    public void A_fields_name_is_one_that_the_journal_takes(string property, string name)
    {
        Assert.Equal(name, JournalFields.Name(property));
        Assert.InRange(JournalFields.Name(new string('x', 100)).Length, 1, 64);
    }

    [Fact]
    public void An_exception_is_a_field_of_its_own()
    {
        List<string> fields = Journal(log => log.Error(new InvalidOperationException("broken"), "a fault"));
        Assert.Equal("PRIORITY=3", fields[1]);
        Assert.StartsWith(
            "TPMFS_EXCEPTION=System.InvalidOperationException: broken", fields[3], StringComparison.Ordinal);
    }

    [Fact]
    public void On_a_terminal_control_characters_are_shown_and_not_obeyed()
    {
        using var text = new StringWriter();
        new PlainText().Format(Event(log => log.Warning("name {Node}", "\u001b[2Ja\nb\u009b")), text);

        Assert.Matches(@"^\d\d:\d\d:\d\d\.\d\d\d warning: name \\x1b\[2Ja\\x0ab\\x9b\n$", text.ToString());
    }

    [Fact]
    public void A_log_that_does_not_drain_holds_nobody_up_and_says_afterwards_what_it_dropped()
    {
        using var slow = new SlowSink();
        const int Capacity = 4;
        using (BackgroundSink sink = NewSink(slow, Capacity))
        {
            sink.Emit(Event(log => log.Information("first")));
            Assert.True(slow.Entered.Wait(TimeSpan.FromSeconds(30)));
            for (int i = 0; i < Capacity + 3; i++)
            {
                sink.Emit(Event(log => log.Information("more")));
            }

            slow.Go.Set();
        }

        Assert.Equal(1 + Capacity + 1, slow.Messages.Count);
        Assert.Single(slow.Messages, "3 log events were dropped: they came faster than the log took them");
    }

    /// <summary>
    /// The entries of one user's refused commands filled the queue, and an administrator's were lost.
    /// </summary>
    [Fact]
    public void The_events_of_one_user_push_out_neither_another_users_events_nor_roots()
    {
        using var slow = new SlowSink();
        using (BackgroundSink sink = NewSink(slow, capacity: 64))
        {
            sink.Emit(Event(log => log.Information("first")));
            Assert.True(slow.Entered.Wait(TimeSpan.FromSeconds(30)));
            for (int i = 0; i < 100; i++)
            {
                sink.Emit(Event(log => log.Warning("refused to {Uid}", 1000u)));
            }

            sink.Emit(Event(log => log.Information("refused to {Uid}", 1001u)));
            sink.Emit(Event(log => log.Information("changed by {Uid}", 0u)));
            slow.Go.Set();
        }

        Assert.Contains("refused to 1001", slow.Messages);
        Assert.Contains("changed by 0", slow.Messages);
        Assert.Equal(32, slow.Messages.Count(message => message == "refused to 1000"));
        Assert.Contains(
            "68 log events that user 1000 caused were dropped: one user may cause only so many, so that the events of "
                + "others are kept", slow.Messages);
    }

    /// <summary>
    /// journald takes 10,000 entries in 30 s of a service by default, whoever brings them about, and drops the others.
    /// </summary>
    [Fact]
    public void One_user_brings_about_no_more_than_a_tenth_of_what_journald_takes()
    {
        var payers = new Payers();
        payers.Use([new SubordinateUids(100_000, 10, 1001)]);
        var shares = new LogShares(1_000_000, payers);
        DateTimeOffset now = DateTimeOffset.UnixEpoch;

        Assert.Equal(1000, Enter(1500, 1000));
        Assert.Equal(1000, Enter(1500, 1001));
        Assert.Equal(0, Enter(1500, 100_003)); // a subordinate uid of that user
        Assert.Equal(1500, Enter(1500, 0));
        now += LogShares.Stretch;
        Assert.Equal(1000, Enter(1500, 1000));

        int Enter(int count, uint uid) => Enumerable.Range(0, count).Count(_ => shares.TryEnter(
            new LogEvent(
                now, LogEventLevel.Warning, null, Serilog.Events.MessageTemplate.Empty,
                [new LogEventProperty("Uid", new ScalarValue(uid))])));
    }

    /// <summary>
    /// Regression: each user had a tenth of what journald takes, so that eleven users left nothing of it for root's
    /// entries.
    /// </summary>
    [Fact]
    public void All_users_together_leave_a_part_of_what_journald_takes_to_root_and_to_users_who_come_later()
    {
        var shares = new LogShares(1_000_000, new Payers());
        int[] entered = [.. Enumerable.Range(1000, 30).Select(uid => Enter(2000, (uint)uid))];

        Assert.InRange(entered.Sum(), LogShares.MostOfUsers / 2, LogShares.MostOfUsers);
        Assert.All(entered[..10], count => Assert.InRange(count, 1, LogShares.MostInStretch));
        Assert.Equal(3000, Enter(3000, 0));

        int Enter(int count, uint uid) => Enumerable.Range(0, count).Count(_ => shares.TryEnter(
            new LogEvent(
                DateTimeOffset.UnixEpoch, LogEventLevel.Warning, null, Serilog.Events.MessageTemplate.Empty,
                [new LogEventProperty("Uid", new ScalarValue(uid))])));
    }

    /// <summary>
    /// Regression: each uid of a container counted as a user, so that eight of them left nothing to other users.
    /// </summary>
    [Fact]
    public void A_domain_brings_about_no_more_than_half_of_what_users_may_however_many_users_it_has()
    {
        var shares = new LogShares(1_000_000, new Payers());
        Assert.Equal(LogShares.MostOfUsers / 2, Enumerable.Range(100_000, 40).Sum(uid => Enter("domains/web", uid)));
        Assert.Equal(LogShares.MostOfUsers / 4, Enumerable.Range(200_000, 40).Sum(uid => Enter("users/7", uid)));
        Assert.Equal(LogShares.MostInStretch, Enter("root", 1000));

        int Enter(string domain, int uid) => Enumerable.Range(0, 2000).Count(_ => shares.TryEnter(
            new LogEvent(
                DateTimeOffset.UnixEpoch, LogEventLevel.Warning, null, Serilog.Events.MessageTemplate.Empty,
                [
                    new LogEventProperty("Uid", new ScalarValue((uint)uid)),
                    new LogEventProperty("Domain", new ScalarValue(domain)),
                ])));
    }

    /// <summary>
    /// Regression: with each entry that went through, one said how many of whose did not, so that twenty users brought
    /// about thousands of these.
    /// </summary>
    [Fact]
    public void How_many_events_of_a_user_were_dropped_is_said_every_ten_seconds_and_at_the_end()
    {
        LostEvents lost = NewLost();
        DateTimeOffset now = DateTimeOffset.UnixEpoch;
        Assert.Empty(lost.Take(now, isLast: true));
        Assert.Equal(1, Lose(isLast: false));
        now += TimeSpan.FromSeconds(9);
        Assert.Equal(0, Lose(isLast: false));
        now += TimeSpan.FromSeconds(1);
        Assert.Equal(2, Lose(isLast: false));
        Assert.Equal(0, Lose(isLast: false));
        Assert.Equal(2, Lose(isLast: true));

        int Lose(bool isLast)
        {
            lost.Add(Event(log => log.Warning("refused to {Uid}", 1000u)));
            LogEvent[] words = lost.Take(now, isLast);
            return words.Length == 0 ? 0 : (int)((ScalarValue)Assert.Single(words).Properties["Dropped"]).Value!;
        }
    }

    /// <summary>
    /// Regression: the word of what was dropped came with the next event, and so perhaps hours later.
    /// </summary>
    [Fact]
    public void How_many_events_were_dropped_is_said_though_no_event_comes_any_more()
    {
        using var slow = new SlowSink();
        slow.Go.Set();
        var lost = new LostEvents(pause: TimeSpan.FromSeconds(0.5));
        using var sink = new BackgroundSink(slow, new LogShares(64, new Payers()), lost, TimeSpan.FromSeconds(30));
        const int Emitted = 2000;
        for (int i = 0; i < Emitted; i++)
        {
            sink.Emit(Event(log => log.Warning("refused to {Uid}", 1000u)));
        }

        Assert.True(SpinWait.SpinUntil(() => slow.Messages.Sum(Told) == Emitted, TimeSpan.FromSeconds(30)));

        static int Told(string message) =>
            message == "refused to 1000" ? 1 : int.Parse(message.Split(' ')[0], CultureInfo.InvariantCulture);
    }

    [Fact]
    public void A_word_of_dropped_events_that_is_lost_itself_counts_as_these_events()
    {
        LostEvents lost = NewLost();
        LogEvent refused = Event(log => log.Warning("refused to {Uid}", 1000u));
        Assert.True(lost.Add(refused));
        Assert.False(lost.Add(refused));
        lost.Add(Assert.Single(lost.Take(DateTimeOffset.UnixEpoch, isLast: false)));
        LogEvent word = Assert.Single(lost.Take(DateTimeOffset.UnixEpoch, isLast: true));
        Assert.Equal((2, 1000u), (((ScalarValue)word.Properties["Dropped"]).Value, LogShares.UserOf(word)));
    }

    [Fact]
    public void A_log_that_never_drains_does_not_hold_up_the_exit()
    {
        var slow = new SlowSink(); // outlives the test: the sink's thread is still in it
        var sink = new BackgroundSink(slow, new LogShares(4, new Payers()), NewLost(), TimeSpan.Zero);
        sink.Emit(Event(log => log.Information("first")));
        Assert.True(slow.Entered.Wait(TimeSpan.FromSeconds(30)));

        sink.Dispose();

        sink.Emit(Event(log => log.Information("too late")));
        slow.Go.Set();
    }

    [Fact]
    public void Events_below_the_level_are_not_logged()
    {
        using var slow = new SlowSink();
        slow.Go.Set();
        using (Logger log = Log.OpenOn(slow, NewLost(), LogEventLevel.Warning, new Payers()))
        {
            log.Information("quiet");
            log.Warning("loud");
        }

        Assert.Equal(["loud"], slow.Messages);
    }

    private static BackgroundSink NewSink(SlowSink next, int capacity) =>
        new(next, new LogShares(capacity, new Payers()), NewLost(), TimeSpan.FromSeconds(30));

    private static LostEvents NewLost() => new(pause: TimeSpan.FromSeconds(10));

    private static List<string> Journal(Action<Serilog.ILogger> write) =>
        JournalFields.Of(Event(write)).ConvertAll(Encoding.UTF8.GetString);

    private static LogEvent Event(Action<Serilog.ILogger> write)
    {
        var caught = new Catch();
        using Logger log = new Serilog.LoggerConfiguration().WriteTo.Sink(caught).CreateLogger();
        write(log);
        return caught.Event!;
    }

    private sealed class Catch : ILogEventSink
    {
        public LogEvent? Event { get; private set; }

        public void Emit(LogEvent logEvent) => Event = logEvent;
    }

    private sealed class SlowSink : ILogEventSink, IDisposable
    {
        public ManualResetEventSlim Entered { get; } = new();

        public ManualResetEventSlim Go { get; } = new();

        public ConcurrentQueue<string> Messages { get; } = new();

        public void Emit(LogEvent logEvent)
        {
            Entered.Set();
            Assert.True(Go.Wait(TimeSpan.FromSeconds(30)));
            Messages.Enqueue(Rendered.Message(logEvent));
        }

        public void Dispose()
        {
            Entered.Dispose();
            Go.Dispose();
        }
    }
}
