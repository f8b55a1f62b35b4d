using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm;

/// <summary>
/// A way to a TPM, which carries one command at a time. Its caller makes one call at a time, from whichever thread has
/// the TPM at that moment, and a call may block that thread. <see cref="Cancel"/> may be called at any time, from any
/// thread.
/// </summary>
public interface ITpmTransport : IDisposable
{
    /// <summary>Gets what this transport can do. Valid from the first successful connection on.</summary>
    TpmTransportFeatures Features { get; }

    /// <summary>
    /// The id of the process that computes this TPM's answers, where this transport started it and it runs; 0
    /// otherwise. Any thread.
    /// </summary>
    int ServerProcess => 0;

    /// <summary>
    /// Connects, or connects again. A command that was under way is given up, and its response never counts as that of
    /// a later command.
    /// </summary>
    /// <param name="timeout">How long to try.</param>
    /// <param name="problem">What went wrong and what to do, for a person; empty on success.</param>
    /// <returns>True when the TPM can be sent a command.</returns>
    bool TryConnect(TimeSpan timeout, out string problem);

    /// <summary>
    /// Sends one whole command and waits for its whole response. After <see cref="TransmitStatus.Ok"/>,
    /// <see cref="TransmitStatus.LocalityRefused"/> and <see cref="TransmitStatus.CommandRefused"/> the next command
    /// may follow. After any other result the caller must call <see cref="TryConnect"/> first, since nobody knows where
    /// the next response would begin.
    /// </summary>
    /// <param name="command">The command with its header. The header states the command's size.</param>
    /// <param name="locality">0 to 4.</param>
    /// <param name="response">
    /// Takes the response. One that does not fit ends as <see cref="TransmitStatus.Disconnected"/>.
    /// </param>
    /// <param name="timeout">
    /// How long the TPM may take. After that it is asked to cancel the command, where it can be asked, and the result
    /// is <see cref="TransmitStatus.TimedOut"/>.
    /// </param>
    TransmitResult Transmit(ReadOnlyMemory<byte> command, byte locality, Memory<byte> response, TimeSpan timeout);

    /// <summary>Sets what to call right after a whole command has gone out.</summary>
    void WhenSent(Action sent)
    {
    }

    /// <summary>
    /// Ends the exchange that an earlier process had begun on the connection that this one took over
    /// (<see cref="TryAdopt"/>), before any other command.
    /// </summary>
    /// <param name="wasSent">
    /// True when the TPM is known to have the whole command; false when only the TPM can tell.
    /// </param>
    /// <param name="response">
    /// Takes the response. The earlier process may have received it, or a part; it was zero before. The last byte is
    /// not for a response: there the transport counts, across the processes that are killed while they finish.
    /// </param>
    /// <param name="timeout">How long the TPM may take.</param>
    /// <returns>
    /// <see cref="TransmitStatus.NotSent"/> when the TPM has not had the command; the next command may then follow.
    /// </returns>
    TransmitResult FinishExchange(bool wasSent, Memory<byte> response, TimeSpan timeout) =>
        TransmitResult.OnNewWay;

    /// <summary>
    /// Gets the descriptors that keep the way to the TPM open while no process uses it; none where nothing can. They
    /// belong to the transport, and change with each connection (<see cref="WhenKeptChanges"/>).
    /// </summary>
    IReadOnlyList<KeptDescriptor> Kept => [];

    /// <summary>
    /// Sets what to call when <see cref="Kept"/> has changed. The thread that made the connection calls it.
    /// </summary>
    void WhenKeptChanges(Action changed)
    {
    }

    /// <summary>
    /// Goes on with what an earlier process kept, instead of the first <see cref="TryConnect"/>, which then keeps this
    /// connection.
    /// </summary>
    /// <param name="kept">By the names of <see cref="KeptDescriptor"/>. The transport owns them from now on.</param>
    /// <param name="problem">Why it cannot, for a person; empty on success.</param>
    bool TryAdopt(IReadOnlyDictionary<string, SafeFileHandle> kept, out string problem)
    {
        KeptDescriptor.Close(kept);
        problem = "this way to a TPM cannot be kept";
        return false;
    }

    /// <summary>
    /// Asks the TPM to give up the command under way, if there is one. Returns at once, without an answer. Any thread
    /// may call it.
    /// </summary>
    void Cancel();
}

/// <summary>A descriptor that keeps a way to a TPM open.</summary>
/// <param name="Name">
/// Says which of the transport's descriptors it is: letters, unique among those that the transport keeps.
/// </param>
public readonly record struct KeptDescriptor(string Name, SafeHandle Descriptor)
{
    /// <summary>Closes descriptors that are of no use.</summary>
    public static void Close(IReadOnlyDictionary<string, SafeFileHandle> kept)
    {
        foreach (SafeFileHandle descriptor in kept.Values)
        {
            descriptor.Dispose();
        }
    }
}

/// <summary>The abilities of a transport.</summary>
/// <param name="CanCancel">True when <see cref="ITpmTransport.Cancel"/> reaches the TPM.</param>
/// <param name="HighestLocality">The highest locality that can be set; 0 when none can.</param>
/// <param name="LargestCommand">The largest command that fits, in bytes; null where only the TPM sets a limit.</param>
public readonly record struct TpmTransportFeatures(bool CanCancel, byte HighestLocality, int? LargestCommand = null);

/// <summary>How an exchange ended.</summary>
public enum TransmitStatus
{
    /// <summary>The response is there, and as long as its header says.</summary>
    Ok,

    /// <summary>
    /// The connection or the TPM's process ended, or what came is not a response. The TPM may have executed the
    /// command.
    /// </summary>
    Disconnected,

    /// <summary>The TPM did not answer in time. It may have executed the command, or do so later.</summary>
    TimedOut,

    /// <summary>
    /// The connection ended before the TPM had the command. The command may be sent again after a new connection.
    /// </summary>
    NotSent,

    /// <summary>The locality could not be set. The command was not sent.</summary>
    LocalityRefused,

    /// <summary>
    /// The transport does not take this command, most often for its size. The command was not sent; the next one may
    /// pass.
    /// </summary>
    CommandRefused,
}

/// <summary>The result of an exchange.</summary>
/// <param name="Status">How the exchange ended.</param>
/// <param name="Length">
/// The response's size in bytes when the status is <see cref="TransmitStatus.Ok"/>; else 0.
/// </param>
/// <param name="Problem">
/// What went wrong, for a person; null when the status is <see cref="TransmitStatus.Ok"/>.
/// </param>
public readonly record struct TransmitResult(TransmitStatus Status, int Length, string? Problem = null)
{
    /// <summary>
    /// The end of an exchange that an earlier process began on a connection which is gone: its response cannot come on
    /// another one.
    /// </summary>
    public static TransmitResult OnNewWay { get; } =
        new(TransmitStatus.Disconnected, 0, "the way to the TPM did not outlive the process that used it");
}
