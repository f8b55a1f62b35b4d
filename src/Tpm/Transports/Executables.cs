using System.Diagnostics.CodeAnalysis;
using System.Runtime.Versioning;

namespace TpmFs.Tpm.Transports;

/// <summary>Finds programs on the PATH, as a shell does.</summary>
[SupportedOSPlatform("linux")]
public static class Executables
{
    private const UnixFileMode AnyExecute =
        UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    public static bool TryFind(string name, [NotNullWhen(true)] out string? path)
    {
        string[] directories = (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(
            ':', StringSplitOptions.RemoveEmptyEntries);
        foreach (string directory in directories)
        {
            path = Path.Combine(directory, name);
            if (File.Exists(path) && (File.GetUnixFileMode(path) & AnyExecute) != 0)
            {
                return true;
            }
        }

        path = null;
        return false;
    }
}
