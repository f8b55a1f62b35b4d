namespace TpmFs.Fuse;

/// <summary>
/// How far a filesystem came with a write on the thread that took it (<see cref="FuseFileSystem.Lend"/>).
/// </summary>
public enum WriteProgress
{
    /// <summary>There was nothing to do, or another thread does it.</summary>
    Nothing,

    /// <summary>The filesystem has done what the write began, and needs the thread no more.</summary>
    Done,

    /// <summary>
    /// The filesystem did something that came first. It wants to be called again for the same write, after the requests
    /// that wait.
    /// </summary>
    Again,
}
