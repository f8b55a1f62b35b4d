namespace TpmFs.Fuse.Placement;

/// <summary>
/// The thread that carries commands out while TPMs work apart from the reader. The watching thread calls all members.
/// </summary>
internal interface ICommandThread
{
    /// <summary>Gets the thread's id; 0 until it runs.</summary>
    int Id { get; }

    /// <summary>Gets the id of the <see cref="Ballast"/> on the thread's CPU; 0 where there is none.</summary>
    int BallastId { get; }

    /// <summary>Commands are for this thread from now on. Starts it where it does not run yet.</summary>
    void Open();

    /// <summary>No command is for this thread any more. Those that still wait for it go to others.</summary>
    void Close();

    /// <summary>
    /// Returns true when the thread is at the same command as at the last call, while others wait: they may be for
    /// another TPM.
    /// </summary>
    bool IsStuck();
}
