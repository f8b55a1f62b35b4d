using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>Checks paths that lead to another program's file or directory.</summary>
public static class SafePath
{
    /// <summary>
    /// Checks whether other users can put another directory in the place of a mount point. The directories and links of
    /// its path must belong to root or to this user, and no other user may write there.
    /// </summary>
    /// <returns>
    /// The problem: its cause, its place, and the remedy. Empty when there is none, and where the path does not exist.
    /// </returns>
    public static string WhyNotToMountOn(string path)
    {
        if (TrustedPath.TryOpen(
            path, PathOwners.Ours, creates: false, out OpenedPlace place, out Errno error, out string problem))
        {
            place.Dispose();
        }

        return error.IsError ? string.Empty : problem;
    }

    /// <summary>
    /// Opens the place of a socket that a program serves (O_PATH), unless other users can put another socket there. The
    /// socket and its directories may belong to any user: the person who named the path trusts that user. But in a
    /// directory where everybody can make files, the socket must belong to root or to this user.
    /// </summary>
    /// <param name="path">The socket's path.</param>
    /// <param name="place">
    /// The place, for <see cref="FileCalls.PathOf"/>; the caller disposes of it. By <paramref name="path"/> itself
    /// another socket may be reached by now.
    /// </param>
    /// <param name="error">The error of the system call that failed, if one did.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    public static bool TryOpenSocket(string path, out SafeFileHandle place, out Errno error, out string problem)
    {
        bool isOpen = TrustedPath.TryOpen(
            path, PathOwners.Anybody, creates: false, out OpenedPlace opened, out error, out problem);
        place = isOpen ? opened.Handle : new SafeFileHandle();
        return isOpen;
    }
}
