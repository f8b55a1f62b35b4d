using System.Reflection;
using Serilog;

namespace TpmFs.Host;

/// <summary>
/// Loads all assemblies of the program, so that files that are replaced while it runs matter to the next process alone.
/// The runtime would otherwise open an assembly's file when a request first needs it, and find that of another version.
/// </summary>
internal static class ProgramFiles
{
    /// <summary>Loads what is in the program's folder, and not what the system's .NET has elsewhere.</summary>
    /// <param name="log">Learns of a file that cannot be loaded; the daemon goes on without it.</param>
    public static void LoadAll(ILogger log)
    {
        string all = AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "";
        foreach (string path in all.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            if (path.StartsWith(AppContext.BaseDirectory, StringComparison.Ordinal))
            {
                Load(path, log);
            }
        }
    }

    private static void Load(string path, ILogger log)
    {
        try
        {
            Assembly.Load(new AssemblyName(Path.GetFileNameWithoutExtension(path)));
        }
        catch (Exception e) when (e is IOException or BadImageFormatException)
        {
            log.Warning("{Path} cannot be loaded ({Problem}). Install the program again", path, e.Message);
        }
    }
}
