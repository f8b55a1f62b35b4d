namespace TpmFs.TestSupport;

/// <summary>The files of the repository that the tests are of.</summary>
public static class Repository
{
    /// <summary>The repository's root, which is above the running tests.</summary>
    public static string Folder { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string folder) => File.Exists(Path.Combine(folder, "TpmFs.sln")) ? folder
        : Find(
            Path.GetDirectoryName(folder)
                ?? throw new DirectoryNotFoundException("The tests do not run inside their repository."));
}
