using System.Threading.Channels;
using Serilog.Core;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>
/// Takes events without ever waiting, and hands them on from a thread of its own: a journal or terminal that does not
/// drain holds up no TPM command. Beyond its bounds (<see cref="LogShares"/>) events are dropped, and once there is
/// room again an event tells how many.
/// </summary>
internal sealed class BackgroundSink : ILogEventSink, IDisposable
{
    private readonly Channel<LogEvent> _queue;
    private readonly ILogEventSink _next;
    private readonly TimeSpan _patience;
    private readonly Thread _thread;
    private readonly LostEvents _lost = new();
    private readonly LogShares _shares;

    /// <param name="next">Takes the events; may be slow.</param>
    /// <param name="shares">Decides which events the sink gets.</param>
    /// <param name="patience">
    /// The time for which <see cref="Dispose"/> waits until the events that are held are written.
    /// </param>
    public BackgroundSink(ILogEventSink next, LogShares shares, TimeSpan patience)
    {
        _next = next;
        _patience = patience;
        _shares = shares;
        // bounded by the shares
        _queue = Channel.CreateUnbounded<LogEvent>(new UnboundedChannelOptions { SingleReader = true });
        _thread = new Thread(Write) { IsBackground = true, Name = "log" };
        _thread.Start();
    }

    /// <summary>Takes an event. Any thread. After <see cref="Dispose"/> events are lost.</summary>
    public void Emit(LogEvent logEvent)
    {
        if (!_shares.TryEnter(logEvent))
        {
            _lost.Add(LogShares.UserOf(logEvent));
        }
        else if (!_queue.Writer.TryWrite(logEvent))
        {
            _shares.Leave(logEvent);
        }
    }

    public void Dispose()
    {
        _queue.Writer.TryComplete();
        _thread.Join(_patience);
    }

    private void Write()
    {
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (_queue.Reader.TryRead(out LogEvent? logEvent))
            {
                _shares.Leave(logEvent);
                _next.Emit(logEvent);
                SayWhatIsLost(logEvent.Timestamp, isLast: false);
            }
        }

        SayWhatIsLost(DateTimeOffset.Now, isLast: true);
    }

    private void SayWhatIsLost(DateTimeOffset now, bool isLast)
    {
        foreach (LogEvent word in _lost.Take(now, isLast))
        {
            _next.Emit(word);
        }
    }
}
