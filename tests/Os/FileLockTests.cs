namespace TpmFs.Os.Tests;

/// <summary>Files that one process at a time holds.</summary>
public sealed class FileLockTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    private string LockFile => Path.Combine(_folder, "lock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_second_taker_learns_what_the_first_wrote_and_gets_the_lock_after_it()
    {
        Assert.Equal(Errno.None, FileLock.TryTake(LockFile, out FileLock? first, out _));
        first!.Write("the first"u8);
        Assert.Equal(Errno.EAGAIN, FileLock.TryTake(LockFile, out FileLock? none, out string holder));
        Assert.Equal((null, "the first"), (none, holder));

        first.Dispose();
        Assert.Equal(Errno.None, FileLock.TryTake(LockFile, out FileLock? second, out _));
        second!.Dispose();
    }

    [Fact]
    public void The_file_is_its_owners_alone_and_empty_after_space_was_checked()
    {
        Assert.Equal(Errno.None, FileLock.TryTake(LockFile, out FileLock? held, out _));
        using (held)
        {
            held!.CheckSpace(100_000);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(LockFile));
            Assert.Equal(0, new FileInfo(LockFile).Length);
        }
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        File.CreateSymbolicLink(LockFile, Path.Combine(_folder, "elsewhere"));
        Assert.Equal(Errno.ELOOP, FileLock.TryTake(LockFile, out _, out _));
        Assert.False(File.Exists(Path.Combine(_folder, "elsewhere")));
    }
}
