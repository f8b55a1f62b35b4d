using TpmFs.Host;

namespace TpmFs.Daemon.Tests.Host;

/// <summary>The daemon's own directories, and locks in them.</summary>
public sealed class DirectoriesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_lock_is_one_holders_and_the_next_ones_when_it_is_disposed_of()
    {
        string file = Path.Combine(_folder, "lock");
        Assert.True(Directories.TryLock(file, "taken", out FileLock? first, out _));
        Assert.False(Directories.TryLock(file, "taken", out _, out string? problem));
        Assert.Equal("taken", problem);
        first.Dispose();
        Assert.True(Directories.TryLock(file, "taken", out FileLock? second, out _));
        second.Dispose();
    }

    [Theory]
    [InlineData("there/is/none", "Make room there")]
    [InlineData(".", "is a directory, and not a plain file. Put a plain file there, or remove it")]
    public void A_lock_file_that_cannot_be_opened_is_named_with_what_to_do(string name, string advice)
    {
        string file = Path.Combine(_folder, name);
        Assert.False(Directories.TryLock(file, "taken", out _, out string? problem));
        Assert.Contains(file, problem, StringComparison.Ordinal);
        Assert.Contains(advice, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_is_made_for_its_user_alone_and_one_that_cannot_be_made_is_said()
    {
        string path = Path.Combine(_folder, "a/b");
        Assert.True(Directories.TryPrepare(path, "state directory", "", out _));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));

        File.WriteAllText(Path.Combine(_folder, "file"), "");
        Assert.False(
            Directories.TryPrepare(
                Path.Combine(_folder, "file/b"), "state directory", "Name another.", out string? problem));
        Assert.StartsWith("the state directory ", problem, StringComparison.Ordinal);
        Assert.EndsWith("Name another.", problem, StringComparison.Ordinal);
        Assert.False(Directories.TryPrepare("/proc/1", "state directory", "", out _));
    }
}
