using Microsoft.Win32.SafeHandles;

namespace TpmFs.Fuse.Mount;

/// <summary>
/// A directory to mount on, without symbolic links in its path. The class finds it without touching the directory
/// itself: a dead or hanging server may lie on it, and stat(2) would ask that server.
/// </summary>
/// <param name="Path">The path, from the process's root.</param>
/// <param name="ParentMountId">The mount that the directory above it lies in.</param>
internal sealed record MountPoint(string Path, int ParentMountId)
{
    /// <summary>Gets the mounts that lie on it now, lowest first.</summary>
    public IReadOnlyList<MountInfo> Layers => MountInfo.Layers(MountInfo.ReadAll(), ParentMountId, Path);

    public static bool TryResolve(string path, out MountPoint mountPoint, out string problem)
    {
        mountPoint = new MountPoint(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)), 0);
        for (int links = 0; links < Links.Max; links++)
        {
            string? folder = System.IO.Path.GetDirectoryName(mountPoint.Path);
            if (folder is null)
            {
                problem = $"Cannot mount on '{path}': it is the root directory. Choose another directory.";
                return false;
            }

            if (!TryResolveFolder(folder, out string folderPath, out int mountId, out Errno error))
            {
                problem = $"Cannot mount on '{path}': the directory '{folder}' cannot be opened: {error.Text()}.";
                return false;
            }

            string resolved = System.IO.Path.Combine(folderPath, System.IO.Path.GetFileName(mountPoint.Path));
            mountPoint = new MountPoint(resolved, mountId);

            // A mount lies on what a link points to, never on a link. So only where none lies, may the path be looked
            // at.
            if (mountPoint.Layers.Count > 0 || Links.Read(resolved) is not { } target)
            {
                problem = string.Empty;
                return true;
            }

            mountPoint = mountPoint with
            {
                Path = System.IO.Path.TrimEndingDirectorySeparator(
                    System.IO.Path.GetFullPath(target, folderPath)),
            };
        }

        problem = $"Cannot mount on '{path}': too many symbolic links. Name the directory itself.";
        return false;
    }

    /// <summary>
    /// Makes sure that a directory is there to be mounted on. Only to be called while nothing is mounted on it.
    /// </summary>
    public bool TryPrepare(bool create, out bool created, out string problem)
    {
        created = false;
        problem = string.Empty;
        if (Directory.Exists(Path))
        {
            string wrong = SafePath.WhyNotToMountOn(Path);
            problem = wrong.Length > 0 ? $"Cannot mount on '{Path}': {wrong}." : string.Empty;
            return wrong.Length == 0;
        }

        if (File.Exists(Path))
        {
            problem = $"Cannot mount on '{Path}': it is not a directory. Choose another place.";
            return false;
        }

        if (!create)
        {
            problem = $"Cannot mount on '{Path}': there is no such directory. Make it: mkdir '{Path}'";
            return false;
        }

        const uint Mode = 0b111_101_101;
        Errno error = FileCalls.MakeDirectory(Path, Mode);
        created = !error.IsError;
        problem = created
            ? string.Empty
            : $"Cannot make the mount point '{Path}': {error.Text()}. Make it yourself, or choose another place.";
        return created;
    }

    /// <summary>
    /// Opens a directory for its place only (O_PATH), and asks the kernel for its path and its mount.
    /// </summary>
    private static bool TryResolveFolder(string folder, out string path, out int mountId, out Errno error)
    {
        path = string.Empty;
        mountId = 0;
        error = FileCalls.Open(folder, OpenOptions.PathOnly | OpenOptions.Directory, 0, out SafeFileHandle? handle);
        using (handle)
        {
            if (error.IsError)
            {
                return false;
            }

            path = Links.Read(FileCalls.PathOf(handle)) ?? string.Empty;
            mountId = MountInfo.IdOf(handle);
            error = mountId == 0 ? Errno.ENODATA : Errno.None;
            return mountId != 0;
        }
    }
}
