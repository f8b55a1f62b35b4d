namespace TpmFs.Fuse;

/// <summary>The result of lending a filesystem a thread for a write (<see cref="FuseFileSystem.Lend"/>).</summary>
public enum FuseLendResult
{
    /// <summary>There was nothing to do, or another thread does it.</summary>
    Nothing,

    /// <summary>The filesystem has done what the write began, and needs the thread no more.</summary>
    Done,

    /// <summary>
    /// The filesystem did other work that came first. The session is to lend a thread again for the same write, after
    /// the requests that wait.
    /// </summary>
    Again,
}
