using System.Threading.Channels;
using Serilog.Core;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>
/// Takes events without ever waiting and hands them on from a thread of its own: a journal or terminal that does not drain holds up no
/// TPM command. Past its bound events are dropped, and how many is said once there is room again.
/// </summary>
internal sealed class BackgroundSink : ILogEventSink, IDisposable
{
    private readonly Channel<LogEvent> _queue;
    private readonly ILogEventSink _next;
    private readonly TimeSpan _patience;
    private readonly Thread _thread;
    private readonly LostEvents _lost = new();

    /// <param name="capacity">Events held at the most.</param>
    /// <param name="patience">How long <see cref="Dispose"/> waits for what is held to be written.</param>
    public BackgroundSink(ILogEventSink next, int capacity, TimeSpan patience)
    {
        _next = next;
        _patience = patience;
        _queue = Channel.CreateBounded<LogEvent>(new BoundedChannelOptions(capacity) { SingleReader = true });
        _thread = new Thread(Write) { IsBackground = true, Name = "log" };
        _thread.Start();
    }

    /// <summary>Any thread. After <see cref="Dispose"/> events are lost.</summary>
    public void Emit(LogEvent logEvent)
    {
        if (!_queue.Writer.TryWrite(logEvent))
        {
            _lost.Add();
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
                _next.Emit(logEvent);
                if (_lost.Take(logEvent.Timestamp) is { } word)
                {
                    _next.Emit(word);
                }
            }
        }
    }
}
