using System.Threading.Channels;
using Serilog.Core;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>
/// Takes events without ever waiting, and hands them on from a thread of its own: a journal or terminal that does not
/// drain holds up no TPM command. Beyond its bounds (<see cref="LogShares"/>) events are dropped, and an event
/// tells how many.
/// </summary>
internal sealed class BackgroundSink : ILogEventSink, IDisposable
{
    private readonly Channel<LogEvent?> _queue; // null only wakes the thread
    private readonly ILogEventSink _next;
    private readonly TimeSpan _patience;
    private readonly Thread _thread;
    private readonly LostEvents _lost;
    private readonly LogShares _shares;

    /// <param name="next">Takes the events; may be slow.</param>
    /// <param name="shares">Decides which events the sink gets.</param>
    /// <param name="lost">Counts the events that are dropped, by this sink and by <paramref name="next"/>.</param>
    /// <param name="patience">
    /// The time for which <see cref="Dispose"/> waits until the events that are held are written.
    /// </param>
    public BackgroundSink(ILogEventSink next, LogShares shares, LostEvents lost, TimeSpan patience)
    {
        _next = next;
        _patience = patience;
        _shares = shares;
        _lost = lost;
        // bounded by the shares
        _queue = Channel.CreateUnbounded<LogEvent?>(new UnboundedChannelOptions { SingleReader = true });
        _thread = new Thread(Write) { IsBackground = true, Name = "log" };
        _thread.Start();
    }

    /// <summary>Takes an event. Any thread. After <see cref="Dispose"/> events are lost.</summary>
    public void Emit(LogEvent logEvent)
    {
        if (!_shares.TryEnter(logEvent))
        {
            if (_lost.Add(logEvent))
            {
                _queue.Writer.TryWrite(null); // the event that tells of it comes by itself
            }
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
        while (WaitForMore())
        {
            while (_queue.Reader.TryRead(out LogEvent? logEvent))
            {
                if (logEvent is not null)
                {
                    _shares.Leave(logEvent);
                    _next.Emit(logEvent);
                }

                SayWhatIsLost(isLast: false);
            }
        }

        SayWhatIsLost(isLast: true);
    }

    /// <summary>Waits for an event, and reports meanwhile what is lost.</summary>
    /// <returns>False when no event comes any more.</returns>
    private bool WaitForMore()
    {
        Task<bool> more = _queue.Reader.WaitToReadAsync().AsTask();
        while (!more.Wait(_lost.NextReport))
        {
            SayWhatIsLost(isLast: false);
        }

        return more.Result;
    }

    private void SayWhatIsLost(bool isLast)
    {
        foreach (LogEvent word in _lost.Take(DateTimeOffset.Now, isLast))
        {
            _next.Emit(word);
        }
    }
}
