using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace TpmFs.Host;

/// <summary>The paths of a daemon's mount point and of what it keeps. All paths are absolute.</summary>
/// <param name="MountPoint">The directory to mount on.</param>
/// <param name="IsDefaultMountPoint">Nobody named it, so it is made where it is missing.</param>
/// <param name="StateDirectory">The directory for data that outlives the daemon.</param>
/// <param name="RuntimeDirectory">
/// Sockets and locks of this mount point's daemon. Not below the mount point, which the daemon must not use itself;
/// follows from the mount point alone, so that two daemons for one mount point meet there.
/// </param>
internal sealed record Places(
    string MountPoint, bool IsDefaultMountPoint, string StateDirectory, string RuntimeDirectory)
{
    public const string SystemMountPoint = "/run/tpmfs";

    private const int MaxReadablePart = 24;
    private const int HashPart = 12;

    /// <summary>Held locked by <see cref="RuntimeDirectory"/>'s daemon from its start to its end.</summary>
    public string DaemonLock => Path.Combine(RuntimeDirectory, "daemon.lock");

    /// <summary>Held locked while mounted.</summary>
    public string MountLock => Path.Combine(RuntimeDirectory, "mount.lock");

    /// <summary>
    /// Gets the file that a process keeps locked while it uses the state, from its first read to its last write.
    /// </summary>
    public string StateLock => Path.Combine(StateDirectory, "state.lock");

    /// <param name="mountPoint">The value of the command line, or null.</param>
    /// <param name="stateDirectory">The value of the command line, or null.</param>
    /// <param name="isRoot">True when the system's directories may be used.</param>
    /// <param name="variable">An environment variable's value.</param>
    public static bool TryFind(
        string? mountPoint, string? stateDirectory, bool isRoot, Func<string, string?> variable,
        [NotNullWhen(true)] out Places? places, out string problem)
    {
        places = null;
        problem = "";
        string? runtime = isRoot ? "/run" : variable("XDG_RUNTIME_DIR");
        if (string.IsNullOrEmpty(runtime) || !Path.IsPathRooted(runtime))
        {
            problem = "XDG_RUNTIME_DIR is not set to a directory, so there is no place for this user's mount. "
                + "Log in as that user (su and sudo do not set it), or set it: export XDG_RUNTIME_DIR=/run/user/$(id "
                + "-u)";
            return false;
        }

        if (stateDirectory is null && !TryFindState(isRoot, variable, out stateDirectory))
        {
            problem =
                "neither XDG_STATE_HOME nor HOME is set, so there is no place for this user's state. Name one with "
                    + "--state-dir DIR";
            return false;
        }

        string resolved = Links.Resolve(mountPoint ?? Path.Combine(runtime, "tpmfs"));
        places = new Places(
            resolved, mountPoint is null, Path.GetFullPath(stateDirectory),
            Path.Combine(runtime, "tpmfsd", NameFor(resolved)));
        return true;
    }

    private static bool TryFindState(
        bool isRoot, Func<string, string?> variable, [NotNullWhen(true)] out string? directory)
    {
        directory = isRoot ? "/var/lib/tpmfs"
            : variable("XDG_STATE_HOME") is { Length: > 0 } state && Path.IsPathRooted(state)
                ? Path.Combine(state, "tpmfs")
            : variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".local/state/tpmfs")
            : null;
        return directory is not null;
    }

    /// <summary>
    /// A short name that people recognise and no other mount point has: sockets' paths are limited to 107 bytes.
    /// </summary>
    private static string NameFor(string mountPoint)
    {
        string last = string.Concat(
            Path.GetFileName(mountPoint).Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
                .Take(MaxReadablePart));
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(mountPoint)));
        return $"{last}-{hash[..HashPart]}";
    }
}
