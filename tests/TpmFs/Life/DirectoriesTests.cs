using TpmFs.Life;

namespace TpmFs.Daemon.Tests.Life;

/// <summary>The daemon's own directories, and locks in them.</summary>
public sealed class DirectoriesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_lock_is_one_holders_and_the_next_ones_when_it_is_disposed_of()
    {
        var file = Path.Combine(folder, "lock");
        Assert.True(Directories.TryLock(file, "taken", out var first, out _));
        Assert.False(Directories.TryLock(file, "taken", out _, out var problem));
        Assert.Equal("taken", problem);
        first.Dispose();
        Assert.True(Directories.TryLock(file, "taken", out var second, out _));
        second.Dispose();
    }

    [Theory]
    [InlineData("there/is/none")]
    [InlineData(".")]
    public void A_lock_file_that_cannot_be_opened_is_named_with_what_to_do(string name)
    {
        var file = Path.Combine(folder, name);
        Assert.False(Directories.TryLock(file, "taken", out _, out var problem));
        Assert.Contains(file, problem, StringComparison.Ordinal);
        Assert.Contains("Make room there", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_is_made_for_its_user_alone_and_one_that_cannot_be_made_is_said()
    {
        var path = Path.Combine(folder, "a/b");
        Assert.True(Directories.TryPrepare(path, "state directory", "", out _));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));

        File.WriteAllText(Path.Combine(folder, "file"), "");
        Assert.False(Directories.TryPrepare(Path.Combine(folder, "file/b"), "state directory", "Name another.", out var problem));
        Assert.StartsWith("the state directory ", problem, StringComparison.Ordinal);
        Assert.EndsWith("Name another.", problem, StringComparison.Ordinal);
        Assert.False(Directories.TryPrepare("/proc/1", "state directory", "", out _));
    }
}
