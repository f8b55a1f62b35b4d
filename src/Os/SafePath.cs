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
    public static string WhyNotToMountOn(string path) => Check(path, PathOwners.Ours);

    /// <summary>
    /// Checks whether other users can put another socket in the place of one that a program serves. The socket and its
    /// directories may belong to any user: the person who named the path trusts that user. But in a directory where
    /// everybody can make files, the socket must belong to root or to this user.
    /// </summary>
    /// <returns>
    /// The problem: its cause, its place, and the remedy. Empty when there is none, and where the path does not exist.
    /// </returns>
    public static string WhyNotToConnectTo(string path) => Check(path, PathOwners.Anybody);

    private static string Check(string path, PathOwners owners)
    {
        if (TrustedPath.TryOpen(
            path, owners, creates: false, out OpenedPlace place, out Errno error, out string problem))
        {
            place.Dispose();
        }

        return error.IsError ? string.Empty : problem;
    }
}
