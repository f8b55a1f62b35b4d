namespace TpmFs.Rm;

/// <summary>Represents the handle space of one opener. Any thread may call its methods, which do not block.</summary>
public abstract class Space
{
    /// <summary>The space's identity, which it keeps when another manager goes on with it.</summary>
    public abstract SpaceId Id { get; }

    /// <summary>Gets the opener's usage.</summary>
    public Usage Usage { get; } = new();

    /// <summary>Gets the number of transient objects that the opener held a moment ago.</summary>
    public abstract int ObjectCount { get; }

    /// <summary>Gets the number of sessions that the opener held a moment ago, saved ones not counted.</summary>
    public abstract int SessionCount { get; }

    /// <summary>
    /// Gets or sets the locality, 0 to 4, of the commands that are submitted from now on; at first its owner's.
    /// </summary>
    public abstract byte Locality { get; set; }

    /// <summary>
    /// Queues a command, and copies its bytes. The caller has checked that it is a whole command: 10 bytes at least, as
    /// long as its header says, within <see cref="TpmFacts.MaxCommandSize"/>. Returns false when the space has a
    /// command under way.
    /// </summary>
    /// <param name="lends">
    /// True when the caller will lend its thread (<see cref="Lend"/>) in a moment. Until then no other thread is woken
    /// for the command.
    /// </param>
    public abstract bool TrySubmit(ReadOnlySpan<byte> command, bool lends = false);

    /// <summary>
    /// Carries out the next command on the caller's thread, if no other thread uses the TPM and all commands that wait
    /// are those of openers that lend their threads. That saves waking another thread. Otherwise leaves the commands to
    /// the manager's own thread. This is the one method that may block, for as long as a command takes.
    /// </summary>
    /// <returns><see cref="LendResult.Again"/> when another opener's command was the next one.</returns>
    public abstract LendResult Lend();

    /// <summary>
    /// Cancels the command under way, if there is one and the transport can cancel. The client gets the response that
    /// the TPM gives then.
    /// </summary>
    public abstract void Cancel();

    /// <summary>
    /// Closes the space of an opener that is gone. Cancels a command under way where possible, drops its answer, and
    /// flushes what the space holds in the TPM in the background. Calls the client no more after this returns, except
    /// that a call may still run.
    /// </summary>
    public abstract void Close();
}

/// <summary>The result of lending a thread (<see cref="Space.Lend"/>).</summary>
public enum LendResult
{
    /// <summary>Nothing: the command is over, or left to the manager's own thread.</summary>
    Nothing,

    /// <summary>
    /// The space's command was carried out, or it waits for something and the manager looks after it.
    /// </summary>
    Done,

    /// <summary>Another space's command was carried out: the caller must lend its thread again.</summary>
    Again,
}
