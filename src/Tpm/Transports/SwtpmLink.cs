using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A swtpm's data channel, and its control channel where there is one. Used by one thread at a time, except for
/// <see cref="Cancel"/>.
/// </summary>
/// <param name="data">The data channel, which is disposed with the link.</param>
/// <param name="control">
/// The control channel; null where there is none. Without one there is locality 0 only, and no cancel.
/// </param>
internal sealed class SwtpmLink(SwtpmData data, SwtpmControl? control, TpmTransportFeatures features) : IDisposable
{
    /// <summary>The time to wait for the answer to a cancel after the command has ended.</summary>
    private static readonly TimeSpan s_cancelAnswerTimeout = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private Phase _phase; // Under _gate; written by the one thread that transmits.
    private bool _cancelWanted; // Under _gate.
    private byte? _locality;
    private TpmTransportFeatures _features = features; // Under _gate; written by the one thread that transmits.

    private enum Phase
    {
        Idle,
        Preparing,
        Running,
    }

    public SwtpmData Data => data;

    /// <summary>Gets or sets the action that is called when a whole command has gone out.</summary>
    public Action? WhenSent { get; set; }

    /// <summary>Asks the control channel what it can do, if it did not answer that when the link was made.</summary>
    public void Learn(TpmTransportFeatures learnt)
    {
        lock (_gate)
        {
            _features = learnt;
        }
    }

    public TransmitResult Transmit(ReadOnlySpan<byte> command, byte locality, Span<byte> response, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(response.Length, TpmHeader.Length);
        var deadline = Deadline.After(timeout);
        if (control is { OwesAnswer: true })
        {
            control.Settle(deadline.OrAfter(s_cancelAnswerTimeout));
        }

        Enter(Phase.Preparing);
        try
        {
            if (!TrySetLocality(locality, deadline, out string problem))
            {
                return new(WithoutLocality(deadline), 0, problem);
            }

            if (data.Send(command, deadline, timeout) is { } failed)
            {
                return failed;
            }

            WhenSent?.Invoke();
            Enter(Phase.Running);
            TransmitResult result = data.Receive(response, deadline, timeout);
            if (result.Status == TransmitStatus.TimedOut)
            {
                Cancel();
            }

            return result;
        }
        finally
        {
            Enter(Phase.Idle);
            LeaveLocality();
        }
    }

    /// <inheritdoc cref="SwtpmData.Finish"/>
    public TransmitResult Finish(bool wasSent, Span<byte> response, TimeSpan timeout)
    {
        Enter(Phase.Running);
        try
        {
            return data.Finish(wasSent, response, Deadline.After(timeout), timeout);
        }
        finally
        {
            Enter(Phase.Idle);
        }
    }

    /// <summary>Asks swtpm to give up the command under way. Any thread may call it; it never blocks.</summary>
    public void Cancel()
    {
        lock (_gate)
        {
            if (!_features.CanCancel)
            {
                return;
            }

            if (_phase == Phase.Running)
            {
                control?.Cancel();
            }

            // A cancel that comes before the command is sent is remembered, and sent after the command.
            _cancelWanted = _phase == Phase.Preparing;
        }
    }

    /// <summary>
    /// Waits for the response to a command that was given up. Returns false when the link cannot be used again.
    /// </summary>
    public bool TryResume(Deadline deadline)
    {
        if (!data.TryResume(deadline))
        {
            return false;
        }

        control?.Settle(deadline.OrAfter(s_cancelAnswerTimeout));
        return data.IsQuiet;
    }

    /// <summary>
    /// Closes the link, and sets locality 0: otherwise the next client of this swtpm would have this one's locality.
    /// </summary>
    public void Dispose()
    {
        var deadline = Deadline.After(s_cancelAnswerTimeout);
        control?.Settle(deadline);
        if (_locality > 0)
        {
            control?.TrySetLocality(0, deadline, out _);
        }

        data.Dispose();
    }

    private void Enter(Phase phase)
    {
        lock (_gate)
        {
            _phase = phase;
            if (phase == Phase.Running && _cancelWanted)
            {
                control?.Cancel();
            }

            _cancelWanted = false;
        }
    }

    /// <summary>Sets locality 0 where swtpm may serve other clients before the next command.</summary>
    private void LeaveLocality()
    {
        if (data.ClosesAfterResponse
            && _locality > 0
            && control!.TrySetLocality(0, Deadline.After(s_cancelAnswerTimeout), out _))
        {
            _locality = 0;
        }
    }

    /// <summary>
    /// Returns how an exchange ends whose locality could not be set: swtpm refuses it, does not answer, or is gone.
    /// </summary>
    private TransmitStatus WithoutLocality(Deadline deadline) =>
        _features.HighestLocality == 0 || control is null or { HasRefused: true } ? TransmitStatus.LocalityRefused
        : deadline.Passed && !control.IsLost ? TransmitStatus.TimedOut
        : TransmitStatus.NotSent;

    private bool TrySetLocality(byte locality, Deadline deadline, out string problem)
    {
        if (_features.HighestLocality == 0 || control is null)
        {
            problem = locality == 0
                ? string.Empty
                : $"locality {locality} needs swtpm's control channel, which cannot be reached";
            return locality == 0;
        }

        problem = string.Empty;
        if (_locality == locality && !data.ClosesAfterResponse)
        {
            return true;
        }

        _locality = null;
        if (!control.TrySetLocality(locality, deadline, out problem))
        {
            return false;
        }

        _locality = locality;
        return true;
    }
}
