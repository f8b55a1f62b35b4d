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
    private readonly Channel<LogEvent> queue;
    private readonly ILogEventSink next;
    private readonly TimeSpan patience;
    private readonly Thread thread;
    private readonly LostEvents lost = new();

    /// <param name="capacity">Events held at the most.</param>
    /// <param name="patience">How long <see cref="Dispose"/> waits for what is held to be written.</param>
    public BackgroundSink(ILogEventSink next, int capacity, TimeSpan patience)
    {
        this.next = next;
        this.patience = patience;
        queue = Channel.CreateBounded<LogEvent>(new BoundedChannelOptions(capacity) { SingleReader = true });
        thread = new Thread(Write) { IsBackground = true, Name = "log" };
        thread.Start();
    }

    /// <summary>Any thread. After <see cref="Dispose"/> events are lost.</summary>
    public void Emit(LogEvent logEvent)
    {
        if (!queue.Writer.TryWrite(logEvent))
        {
            lost.Add();
        }
    }

    public void Dispose()
    {
        queue.Writer.TryComplete();
        thread.Join(patience);
    }

    private void Write()
    {
        while (queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (queue.Reader.TryRead(out var logEvent))
            {
                next.Emit(logEvent);
                if (lost.Take(logEvent.Timestamp) is { } word)
                {
                    next.Emit(word);
                }
            }
        }
    }
}
