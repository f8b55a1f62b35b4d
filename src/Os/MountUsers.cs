using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// Tells who mounted a filesystem, and so decides all that is in it, by the list of the mounts that this process sees.
/// The list stays open, and is read again only when it has changed: each step of a path asks, and some paths are walked
/// for each command. Any thread.
/// </summary>
internal static class MountUsers
{
    /// <summary>The number that no user has.</summary>
    public const uint Unknown = uint.MaxValue;

    private const long InUserspace = 0x65735546; // FUSE_SUPER_MAGIC, linux/magic.h

    private static readonly Lock s_gate = new(); // Guards all that follows.
    private static FileStream? s_list;
    private static Dictionary<int, uint?> s_users = [];

    /// <summary>Returns the user who mounted the filesystem of a file.</summary>
    /// <param name="file">Any descriptor, also one of <see cref="OpenOptions.PathOnly"/>.</param>
    /// <param name="mount">The number of the mount that the file lies in.</param>
    /// <returns>
    /// The user; <see cref="Unknown"/> where FUSE was unmounted since the file was opened; null where the filesystem
    /// does not say, as all but FUSE do.
    /// </returns>
    /// <exception cref="IOException">There is no /proc.</exception>
    public static uint? Of(SafeFileHandle file, int mount) =>
        TryFind(mount, out uint? user) ? user
        : FileCalls.FileSystemOf(file) == InUserspace ? Unknown
        : null;

    private static bool TryFind(int mount, out uint? user)
    {
        lock (s_gate)
        {
            if (s_list is null || Polling.HasChanged(s_list.SafeFileHandle))
            {
                FileStream list = s_list ?? ProcFs.Open(MountInfo.SelfPath);
                s_list = null; // until it is read to its end
                s_users = Read(list);
                s_list = list;
            }

            return s_users.TryGetValue(mount, out user);
        }
    }

    private static Dictionary<int, uint?> Read(FileStream list)
    {
        list.Position = 0;
        using var reader = new StreamReader(list, leaveOpen: true);
        var users = new Dictionary<int, uint?>();
        foreach (MountInfo mount in MountInfo.Parse(reader.ReadToEnd()))
        {
            users[mount.Id] = mount.User;
        }

        return users;
    }
}
