using System.Globalization;

namespace TpmFs.Fuse.Session;

/// <summary>
/// The kernel's time limits for requests (fs.fuse.default_request_timeout and max_request_timeout, in seconds, 0 for
/// none; Linux 6.15 and newer). Where one is set, a read that waits longer aborts the whole connection.
/// </summary>
internal static class RequestTimeouts
{
    private static readonly string[] s_names = ["default_request_timeout", "max_request_timeout"];

    public static void Warn(IFuseLog log, string folder = "/proc/sys/fs/fuse")
    {
        foreach (string name in s_names)
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path)
                && uint.TryParse(
                    File.ReadAllText(path), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture,
                    out uint seconds)
                && seconds != 0)
            {
                log.Warning(
                    $"fs.fuse.{name} is {seconds}: the kernel aborts the mount when a read waits longer than "
                        + $"{seconds} s. Set it to 0: sysctl fs.fuse.{name}=0");
            }
        }
    }
}
