namespace TpmFs.Daemon.Tests;

/// <summary>The files of the repository that the tests are of.</summary>
internal static class Repository
{
    public static string Folder { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string folder) => File.Exists(Path.Combine(folder, "TpmFs.sln")) ? folder
        : Find(Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("the tests are not run from their repository"));
}
