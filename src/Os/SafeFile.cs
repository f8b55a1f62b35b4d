using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>
/// Reads files that decide what this process does: only plain files that nobody but this process's user and root can
/// change, and only up to a size.
/// </summary>
public static class SafeFile
{
    /// <summary>Reads a whole file. Follows symbolic links that belong to root or to this user.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxSize">The largest size, in bytes.</param>
    /// <param name="content">The file's content.</param>
    /// <param name="error">
    /// ENOENT when there is no such file; another error when a system call failed; else none.
    /// </param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    public static bool TryRead(string path, int maxSize, out byte[] content, out Errno error, out string problem)
    {
        content = [];
        if (!TrustedPath.TryOpen(path, PathOwners.Ours, creates: false, out OpenedPlace place, out error, out problem))
        {
            problem = error.IsError ? $"{path}: {problem}" : problem;
            return false;
        }

        using (place)
        {
            return TryRead(place, path, maxSize, out content, out error, out problem);
        }
    }

    internal static bool TryRead(
        OpenedPlace place, string path, int maxSize, out byte[] content, out Errno error, out string problem)
    {
        content = [];
        error = Errno.None;
        problem = WhyNot(place.Status, path);
        if (problem.Length == 0 && place.Status.Size > (ulong)maxSize)
        {
            problem = $"{path} is larger than {maxSize} bytes";
        }

        if (problem.Length > 0)
        {
            return false;
        }

        error = place.Open(OpenOptions.ReadOnly, out SafeFileHandle file);
        using (file)
        {
            problem = error.IsError ? $"{path}: {error.Text()}" : string.Empty;
            return !error.IsError && TryRead(file, path, maxSize, out content, out problem);
        }
    }

    /// <summary>Returns why a file cannot be trusted; empty when it can.</summary>
    internal static string WhyNot(in FileStatus status, string path) =>
        !status.IsRegularFile ? $"{path} is {status.Kind}, and not a plain file. Put a plain file there, or remove it"
        : !Trust.IsOurs(status.Owner) ? $"{path} belongs to user {status.Owner}, who can change it. "
            + $"Look at what it says, then take it over: chown {ProcessCalls.EffectiveUserId} {path}"
        : status.IsWritableByOthers ? $"other users can write to {path} (mode {status.Permissions}). "
            + $"Look at what it says, then take their permission away: chmod go-w {path}"
        : string.Empty;

    /// <summary>Reads as many bytes as the file may have, since it may have grown after its size was read.</summary>
    private static bool TryRead(SafeFileHandle file, string path, int maxSize, out byte[] content, out string problem)
    {
        content = [];
        problem = string.Empty;
        byte[] buffer = new byte[Math.Min(RandomAccess.GetLength(file), maxSize) + 1];
        int length = 0;
        try
        {
            for (int count = -1; count != 0 && length < buffer.Length; length += count)
            {
                count = RandomAccess.Read(file, buffer.AsSpan(length), length);
            }
        }
        catch (IOException e)
        {
            problem = $"{path}: {e.Message}";
            return false;
        }

        if (length == buffer.Length)
        {
            problem = $"{path} was changed while it was read, or is larger than {maxSize} bytes";
            return false;
        }

        content = buffer[..length];
        return true;
    }
}
