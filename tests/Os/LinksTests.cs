namespace TpmFs.Os.Tests;

/// <summary>Paths without symbolic links.</summary>
public sealed class LinksTests : IDisposable
{
    private readonly string _folder = Links.Resolve(Directory.CreateTempSubdirectory("tpmfs-test-").FullName);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("link/mnt")]
    [InlineData("real/other")]
    [InlineData("link/other")]
    [InlineData("real/../link/mnt/")]
    public void All_ways_to_a_directory_have_one_name(string way)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "real/mnt"));
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), "real");
        File.CreateSymbolicLink(Path.Combine(_folder, "real/other"), "../link/./mnt");

        Assert.Equal(Path.Combine(_folder, "real/mnt"), Links.Resolve(Path.Combine(_folder, way)));
    }

    [Fact]
    public void A_path_that_does_not_exist_has_a_name_too() =>
        Assert.Equal(Path.Combine(_folder, "none/at all"), Links.Resolve(Path.Combine(_folder, "none/./at all/")));

    [Fact]
    public void A_circle_of_links_ends()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "a"), "b");
        File.CreateSymbolicLink(Path.Combine(_folder, "b"), "a");
        Assert.StartsWith(_folder, Links.Resolve(Path.Combine(_folder, "a")), StringComparison.Ordinal);
    }
}
