namespace TpmFs.Tpm;

/// <summary>A way to a TPM. One command at a time; all but <see cref="Cancel"/> are called by one thread, which they may block.</summary>
public interface ITpmTransport : IDisposable
{
    /// <summary>What this way can do; valid from the first successful connection on.</summary>
    TpmTransportFeatures Features { get; }

    /// <summary>
    /// Connects, or connects anew: whatever was under way before is given up and its response can never be taken for a later one.
    /// </summary>
    /// <param name="timeout">How long to try at the most.</param>
    /// <param name="problem">What went wrong, and what to do, for a person.</param>
    bool TryConnect(TimeSpan timeout, out string problem);

    /// <summary>
    /// Sends one whole command and waits for its whole response. After any result but <see cref="TransmitStatus.Ok"/>,
    /// <see cref="TransmitStatus.LocalityRefused"/> and <see cref="TransmitStatus.CommandRefused"/> the framing is in doubt: <see cref="TryConnect"/> comes next.
    /// </summary>
    /// <param name="command">The command, header included; its size is the header's.</param>
    /// <param name="locality">0 to 4.</param>
    /// <param name="response">Takes the response; a larger one than fits is a <see cref="TransmitStatus.Disconnected"/>.</param>
    /// <param name="timeout">After this the TPM is told to cancel where that is possible, and the result is <see cref="TransmitStatus.TimedOut"/>.</param>
    TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout);

    /// <summary>Asks the TPM to give up the command under way, if there is one. Any thread; never blocks; no answer.</summary>
    void Cancel();
}

/// <summary>What a transport can do.</summary>
/// <param name="CanCancel">Whether <see cref="ITpmTransport.Cancel"/> reaches the TPM.</param>
/// <param name="HighestLocality">The highest locality that can be set; 0 when none can.</param>
/// <param name="LargestCommand">The largest command that fits, in bytes; null where the TPM alone sets the limit.</param>
public readonly record struct TpmTransportFeatures(bool CanCancel, byte HighestLocality, int? LargestCommand = null);

/// <summary>How an exchange ended.</summary>
public enum TransmitStatus
{
    /// <summary>The response is there; its header's size field equals its length.</summary>
    Ok,

    /// <summary>The link or the TPM's process is gone, or the TPM sent what is no response.</summary>
    Disconnected,

    /// <summary>No response in time.</summary>
    TimedOut,

    /// <summary>The link is gone, and the TPM has not had the command: it may be sent again when the link is back.</summary>
    NotSent,

    /// <summary>The locality could not be set; the command was not sent.</summary>
    LocalityRefused,

    /// <summary>The way to the TPM does not take this command, for its size above all; the TPM has not had it, and the next one may pass.</summary>
    CommandRefused,
}

/// <summary>The result of an exchange. <paramref name="Length"/> is the response's size in bytes when it is there.</summary>
public readonly record struct TransmitResult(TransmitStatus Status, int Length, string? Problem = null);
