namespace TpmFs.Os;

/// <summary>Paths that another program's file or directory is used by.</summary>
public static class SafePath
{
    /// <summary>
    /// Looks whether others can put something else in the place of a mount point: its path's directories and links must
    /// be root's or this user's, and no others may write there.
    /// </summary>
    /// <returns>
    /// What is wrong, where, and what to do; empty when nothing is, and where the path does not exist.
    /// </returns>
    public static string WhyNotToMountOn(string path) => Check(path, PathOwners.Ours);

    /// <summary>
    /// Looks whether others can put something else in the place of a socket that a program serves. Whose the socket and
    /// its directories are is the choice of whoever named the path, but where everybody can make files, the socket must
    /// be root's or this user's.
    /// </summary>
    /// <returns>
    /// What is wrong, where, and what to do; empty when nothing is, and where the path does not exist.
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
