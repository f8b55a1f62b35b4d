namespace TpmFs.Rm;

/// <summary>The handle space of one opener. Its methods may be called by any thread and never block.</summary>
public abstract class Space
{
    /// <summary>The space's identity, which it keeps when another manager goes on with it.</summary>
    public abstract SpaceId Id { get; }

    /// <summary>What the opener has used.</summary>
    public Usage Usage { get; } = new();

    /// <summary>The transient objects that the opener holds, as of a moment ago.</summary>
    public abstract int ObjectCount { get; }

    /// <summary>The sessions that the opener holds, saved ones not counted, as of a moment ago.</summary>
    public abstract int SessionCount { get; }

    /// <summary>
    /// Queues a command. The caller has checked that it is a whole one (10 bytes at least, as long as its header says,
    /// within <see cref="TpmFacts.MaxCommandSize"/>). The bytes are copied. False when a command is under way: at most
    /// one is.
    /// </summary>
    /// <param name="lends">
    /// The caller will lend its thread (<see cref="Lend"/>) in a moment: until then no other thread is woken for the
    /// command.
    /// </param>
    public abstract bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false);

    /// <summary>
    /// The one method that may block, for as long as the command under way takes: carries it out on the caller's
    /// thread, which saves waking another, when it is the only one there is and nobody else uses the TPM. Otherwise it
    /// is left to the manager's own thread.
    /// </summary>
    public abstract void Lend();

    /// <summary>
    /// Cancels the command under way, if there is one and the transport can. Its response comes as the TPM gives it.
    /// </summary>
    public abstract void Cancel();

    /// <summary>
    /// The opener is gone: a command under way is cancelled where possible, its answer dropped, and what the space
    /// holds in the TPM is flushed in the background. The client is not called after this returns, but for a call that
    /// is already running.
    /// </summary>
    public abstract void Close();
}
