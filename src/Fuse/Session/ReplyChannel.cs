using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>Makes replies and notifications, and logs what the kernel refuses.</summary>
internal sealed class ReplyChannel(IFuseOutput output, IFuseLog log) : IFuseNotifier, IFuseWaker
{
    /// <summary>The kernel refuses a reply with an error from here on, and its caller would wait for ever.</summary>
    private const int ErrnoLimit = 512;

    /// <summary>Keeps notifications back for a moment.</summary>
    public HeldNotifications Held { get; } = new();

    /// <summary>Gets or sets what each thread calls before it notifies a client that polls.</summary>
    public Action? BeforePoll { get; set; }

    /// <summary>
    /// Answers a request. False when the kernel did not take it, because nobody waits for it any more.
    /// </summary>
    public bool Reply(ulong unique, ReadOnlySpan<byte> body) => Send(0, unique, body);

    /// <inheritdoc cref="Reply(ulong, ReadOnlySpan{byte})"/>
    public bool Reply(ulong unique, Errno error)
    {
        if (error.Value is < 0 or >= ErrnoLimit)
        {
            log.Error(
                $"The filesystem answered request {unique} with {error.Value}, which is no errno; it becomes EIO.",
                null);
            error = Errno.EIO;
        }

        return Send(-error.Value, unique, []);
    }

    public void NotifyPoll(PollId poll, IFusePolled? polled = null)
    {
        if (!Held.TryAdd(poll, polled))
        {
            SendPoll(poll, polled);
        }
    }

    public void Wake(PollId poll)
    {
        var body = new FuseNotifyPollWakeupOut(poll.Value);
        Send(
            (int)FuseNotifyCode.Poll, unique: 0,
            MemoryMarshal.AsBytes(new ReadOnlySpan<FuseNotifyPollWakeupOut>(in body)));
    }

    /// <summary>Sends what was kept back, and keeps nothing of the calling thread's back any more.</summary>
    public void SendHeld()
    {
        Held.End();
        while (Held.TryTake(out PollId poll, out IFusePolled? polled))
        {
            SendPoll(poll, polled);
        }
    }

    private void SendPoll(PollId poll, IFusePolled? polled)
    {
        BeforePoll?.Invoke();
        if (polled is not null)
        {
            polled.Wake(poll, this);
        }
        else
        {
            Wake(poll);
        }
    }

    /// <summary>Asks the kernel for all requests again that it waits for.</summary>
    /// <returns>False when it cannot do that.</returns>
    public bool Resend()
    {
        var header = new FuseOutHeader((uint)Unsafe.SizeOf<FuseOutHeader>(), (int)FuseNotifyCode.Resend, Unique: 0);
        return !output.Write(header, []).IsError;
    }

    private bool Send(int error, ulong unique, ReadOnlySpan<byte> body)
    {
        var header = new FuseOutHeader((uint)(Unsafe.SizeOf<FuseOutHeader>() + body.Length), error, unique);
        Errno result = output.Write(header, body);
        if (result.IsError && result != Errno.ENOENT && result != Errno.ENODEV)
        {
            log.Error(
                $"The kernel refused the reply to request {unique} ({header.Len} bytes, error {error}): errno "
                    + $"{result.Value}.", null);
        }

        return !result.IsError;
    }
}
