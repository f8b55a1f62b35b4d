namespace TpmFs.Fuse;

/// <summary>What a filesystem did with the thread that took a write (<see cref="FuseFileSystem.Lend"/>).
/// </summary>
public enum WriteProgress
{
    /// <summary>There was nothing to do, or another thread does it.</summary>
    Nothing,

    /// <summary>It did what the write began, and needs the thread no more.</summary>
    Done,

    /// <summary>
    /// It did something that came first. It wants to be called again for the same write, after requests that wait.
    /// </summary>
    Again,
}
