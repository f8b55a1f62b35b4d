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
    /// The one method that may block, for as long as a command takes: carries out the next command on the caller's
    /// thread, which saves waking another, when nobody else uses the TPM and all commands that wait are those of
    /// openers that lend their threads. Otherwise they are left to the manager's own thread.
    /// </summary>
    /// <returns><see cref="LendResult.Again"/> when another opener's command was the next one.</returns>
    public abstract LendResult Lend();

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

/// <summary>What was done on a thread that was lent (<see cref="Space.Lend"/>).</summary>
public enum LendResult
{
    /// <summary>Nothing: the command is over, or left to the manager's own thread.</summary>
    Nothing,

    /// <summary>The space's command was carried out, or it waits for something and the manager looks after it.</summary>
    Done,

    /// <summary>Another space's command was carried out: the caller must lend its thread again.</summary>
    Again,
}
