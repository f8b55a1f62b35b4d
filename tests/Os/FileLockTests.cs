using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

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
        Assert.True(FileLock.TryTake(LockFile, out FileLock? first, out _));
        first.Write("the first"u8);
        Assert.False(FileLock.TryTake(LockFile, out FileLock? none, out FileLockRefusal refusal));
        Assert.Equal((null, true, "the first"), (none, refusal.IsHeld, refusal.Holder));

        first.Dispose();
        Assert.True(FileLock.TryTake(LockFile, out FileLock? second, out _));
        second.Dispose();
    }

    /// <summary>
    /// While another thread starts a process, a fork of this one has every descriptor: the next taker was told that the
    /// lock is held.
    /// </summary>
    [Fact]
    public void A_lock_that_is_given_back_is_free_though_a_process_that_is_being_started_has_its_descriptor()
    {
        Assert.True(FileLock.TryTake(LockFile, out FileLock? first, out _));
        string descriptor = Directory.GetFiles("/proc/self/fd")
            .Single(entry => new FileInfo(entry).LinkTarget == LockFile);
        int duplicate = dup(int.Parse(Path.GetFileName(descriptor), CultureInfo.InvariantCulture));
        using var forked = new SafeFileHandle(duplicate, ownsHandle: true);

        first.Dispose();
        Assert.True(FileLock.TryTake(LockFile, out FileLock? second, out FileLockRefusal refusal), refusal.Problem);
        second.Dispose();
    }

    [Fact]
    public void The_file_is_its_owners_alone_and_empty_after_space_was_checked()
    {
        Assert.True(FileLock.TryTake(LockFile, out FileLock? held, out _));
        using (held)
        {
            held.CheckSpace(100_000);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(LockFile));
            Assert.Equal(0, new FileInfo(LockFile).Length);
        }
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        File.CreateSymbolicLink(LockFile, Path.Combine(_folder, "elsewhere"));
        Assert.False(FileLock.TryTake(LockFile, out _, out FileLockRefusal refusal));
        Assert.Contains("is a symbolic link, and not a plain file", refusal.Problem, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_folder, "elsewhere")));
    }

    /// <summary>What the holder writes would be written to that other file.</summary>
    [Fact]
    public void A_file_with_another_name_is_not_taken()
    {
        string other = Path.Combine(_folder, "other");
        File.WriteAllText(other, "precious");
        Tool.Run("ln", other, LockFile);
        Assert.False(FileLock.TryTake(LockFile, out _, out FileLockRefusal refusal));
        Assert.Contains("second name", refusal.Problem, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(other));
    }

    [Theory]
    [InlineData("mkdir $0", "a directory")]
    [InlineData("mkfifo $0", "a named pipe")]
    [InlineData("echo >$0; chown 54321 $0", "belongs to user 54321")]
    [InlineData("echo >$0; chmod 666 $0", "other users can write to")]
    public void A_path_that_is_no_lock_file_of_this_user_is_named_and_not_waited_for(string make, string said)
    {
        Tool.Run("sh", "-euc", make, LockFile);
        Assert.False(FileLock.TryTake(LockFile, out _, out FileLockRefusal refusal));
        Assert.Contains(said, refusal.Problem, StringComparison.Ordinal);
        Assert.Contains(LockFile, refusal.Problem, StringComparison.Ordinal);
    }

    [DllImport("libc")]
    private static extern int dup(int descriptor);
}
