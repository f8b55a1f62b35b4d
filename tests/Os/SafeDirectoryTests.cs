using System.Net.Sockets;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os.Tests;

/// <summary>
/// Directories and files that decide what the daemon does, in places where others may have been first. Run as root.
/// </summary>
public sealed class SafeDirectoryTests : IDisposable
{
    private const string OwnedByAnother = "chown 54321";
    private readonly string _folder = Links.Resolve(Directory.CreateTempSubdirectory("tpmfs-test-").FullName);

    public SafeDirectoryTests()
    {
        Assert.True(Environment.IsPrivilegedProcess, "these tests give files to other users: run them as root");
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    private string State => Path.Combine(_folder, "state");

    public void Dispose() => Tool.Run("rm", "-rf", _folder);

    [Fact]
    public void A_missing_directory_is_made_with_all_above_it_for_this_user_alone()
    {
        string deep = Path.Combine(State, "a/b");
        Assert.True(
            SafeDirectory.TryOpen(deep, creates: true, out SafeDirectory? made, out _, out string problem), problem);
        made.Dispose();
        foreach (string each in (string[])[State, Path.Combine(State, "a"), deep])
        {
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(each));
        }
    }

    /// <summary>
    /// Each was taken as it is: another user decided the modes of raw0, or made root overwrite any file.
    /// </summary>
    [Theory]
    [InlineData("mkdir state; chown 54321 state", "belongs to user 54321", "chown -R 0")]
    [InlineData("mkdir -m 777 state", "other users can write to the directory", "chmod go-w")]
    [InlineData("mkdir -m 775 state", "mode 0775", "chmod go-w")]
    [InlineData("mkdir -m 1777 state", "mode 01777", "chmod go-w")]
    [InlineData("mkdir state; setfacl -m u:54321:rwx state", "other users can write to the directory", "chmod go-w")]
    [InlineData("mkdir real; ln -s real state; chown -h 54321 state", "the symbolic link", "Remove it")]
    [InlineData("echo >state", "a plain file, and not a directory", "Name another")]
    [InlineData("mkfifo state", "a named pipe, and not a directory", "Name another")]
    [InlineData("chmod 777 .", "mode 0777", "chmod go-w")]
    [InlineData("chown 54321 .", "who made it in a directory that others can write to", "Remove it")]
    [InlineData(
        "mkdir -p theirs/real; chown 54321 theirs; ln -s theirs/real state",
        "who can put something else in the place of", "chown root")]
    [InlineData("chmod 1777 .; mkdir real; chown 54321 real; ln -s real state", "belongs to user 54321", "Remove it")]
    [InlineData("ln -s state state", "Too many levels of symbolic links", "")]
    public void A_directory_in_which_others_have_a_say_is_refused(string make, string said, string todo)
    {
        Make(make);
        Assert.False(SafeDirectory.TryOpen(State, creates: true, out _, out _, out string problem));
        Assert.Contains(said, problem, StringComparison.Ordinal);
        Assert.Contains(todo, problem, StringComparison.Ordinal);
        Assert.Contains(_folder, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("mkdir -m 755 state")]
    [InlineData("chmod 1777 .")]
    [InlineData("mkdir real; ln -s real state")]
    [InlineData("mkdir -p x/real; ln -s x/../x/./real state")]
    [InlineData("mkdir -m 700 mine; mkdir -m 777 mine/loose; mkdir mine/loose/real; ln -s mine/loose/real state")]
    public void A_directory_of_this_users_is_taken_by_whatever_way_of_this_users(string make)
    {
        Make(make);
        Assert.True(
            SafeDirectory.TryOpen(State, creates: true, out SafeDirectory? directory, out _, out string problem),
            problem);
        using (directory)
        {
            Assert.Equal(Errno.None, directory.CheckWritable());
            Assert.Equal("", directory.WhyNotItsContent());
        }
    }

    /// <summary>A swtpm that is told to puts its sockets beside its state.</summary>
    [Fact]
    public void Directories_and_sockets_of_this_users_may_be_in_it()
    {
        Make("mkdir -m 700 state; mkdir state/lost+found");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(State, "socket")));
        Assert.True(
            SafeDirectory.TryOpen(State, creates: false, out SafeDirectory? directory, out _, out string problem),
            problem);
        using (directory)
        {
            Assert.Equal("", directory.WhyNotItsContent());
        }
    }

    [Theory]
    [InlineData("ln -s /etc/hostname file", "a symbolic link, and not a plain file")]
    [InlineData("ln -s /dev/zero file", "a symbolic link")]
    [InlineData("ln -s file file", "a symbolic link")]
    [InlineData("mkfifo file", "a named pipe")]
    [InlineData("mknod file c 1 5", "a character device")]
    [InlineData("mkdir -m 777 file", "other users can write to the directory")]
    [InlineData("echo x >file; chown 54321 file", "belongs to user 54321")]
    [InlineData("echo x >file; chmod 666 file", "other users can write to")]
    public void A_file_that_others_can_change_is_found_and_not_read(string make, string said)
    {
        Make("mkdir -m 700 state; cd state; " + make);
        Assert.True(
            SafeDirectory.TryOpen(State, creates: false, out SafeDirectory? directory, out _, out string problem),
            problem);
        using (directory)
        {
            Assert.Contains(said, directory.WhyNotItsContent(), StringComparison.Ordinal);
            Assert.False(directory.TryRead("file", 100, out byte[] content, out _, out problem));
            Assert.Contains(Path.Combine(State, "file"), problem, StringComparison.Ordinal);
            Assert.Empty(content);
        }
    }

    [Fact]
    public void A_file_is_read_up_to_a_size()
    {
        Make("mkdir -m 700 state; printf 12345 >state/file");
        Assert.True(
            SafeDirectory.TryOpen(State, creates: false, out SafeDirectory? directory, out _, out string problem),
            problem);
        using (directory)
        {
            Assert.True(directory.TryRead("file", 5, out byte[] content, out _, out problem), problem);
            Assert.Equal("12345", Encoding.ASCII.GetString(content));
            Assert.False(directory.TryRead("file", 4, out _, out _, out problem));
            Assert.Contains("larger than 4 bytes", problem, StringComparison.Ordinal);
            Assert.False(directory.TryRead("none", 5, out _, out Errno error, out _));
            Assert.Equal(Errno.ENOENT, error);
        }
    }

    [Fact]
    public void A_file_is_replaced_and_what_lies_in_the_way_is_not_written_to()
    {
        Make("echo precious >precious; mkdir -m 700 state; ln -s ../precious state/file.new; echo old >state/file");
        Assert.True(
            SafeDirectory.TryOpen(State, creates: false, out SafeDirectory? directory, out _, out string problem),
            problem);
        using (directory)
        {
            Assert.True(directory.TryReplace("file", stream => stream.Write("new"u8), out problem), problem);
        }

        Assert.Equal("new", File.ReadAllText(Path.Combine(State, "file")));
        Assert.Equal("precious\n", File.ReadAllText(Path.Combine(_folder, "precious")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(State, "file")));
    }

    [Theory]
    [InlineData("echo x >file; chmod 600 file", "")]
    [InlineData("echo x >file; chmod 644 file", "")]
    [InlineData("echo x >real; ln -s real file", "")]
    [InlineData("echo x >real; ln -s real file; chown -h 54321 file", "the symbolic link")]
    [InlineData("echo x >real; chown 54321 real; ln -s real file", "belongs to user 54321")]
    [InlineData("echo x >file; chmod 664 file", "other users can write to")]
    [InlineData("mkfifo file", "a named pipe")]
    [InlineData("ln -s /dev/zero file", "a character device")]
    [InlineData("mkdir file", "a directory, and not a plain file")]
    [InlineData("head -c 200 /dev/zero >file", "larger than 100 bytes")]
    public void A_configuration_is_read_when_only_this_user_and_root_can_change_it(string make, string said)
    {
        Make(make);
        bool isRead =
            SafeFile.TryRead(Path.Combine(_folder, "file"), 100, out byte[] content, out _, out string problem);
        Assert.Equal(said.Length == 0, isRead);
        Assert.Contains(said, problem, StringComparison.Ordinal);
        Assert.Equal(isRead ? "x\n" : "", Encoding.ASCII.GetString(content));
    }

    [Theory]
    [InlineData("mkdir place", true, true)]
    [InlineData("mkdir -m 777 place", true, true)]
    [InlineData($"mkdir place; {OwnedByAnother} place", true, true)]
    [InlineData($"chmod 1777 .; mkdir place; {OwnedByAnother} place", false, false)]
    [InlineData("chmod 777 .; mkdir place", false, false)]
    [InlineData($"{OwnedByAnother} .; mkdir place", false, false)]
    [InlineData($"mkdir -p theirs/real; {OwnedByAnother} theirs; ln -s theirs/real place", false, true)]
    [InlineData("", true, true)]
    public void A_mount_point_and_a_socket_are_where_nobody_else_can_put_another(
        string make, bool mayMount, bool mayConnect)
    {
        Make(make);
        string place = Path.Combine(_folder, "place");
        Assert.Equal(mayMount, SafePath.WhyNotToMountOn(place).Length == 0);
        bool isOpen = SafePath.TryOpenSocket(place, out SafeFileHandle opened, out Errno error, out _);
        opened.Dispose();
        Assert.Equal(mayConnect, isOpen || error == Errno.ENOENT);
    }

    /// <summary>
    /// Another user who moved a socket to the path, after the path was looked at, served everybody's TPM.
    /// </summary>
    [Fact]
    public void The_socket_that_was_looked_at_is_the_one_that_is_connected_to()
    {
        string path = Path.Combine(_folder, "socket");
        using Socket first = Listen(path);
        Assert.True(SafePath.TryOpenSocket(path, out SafeFileHandle place, out _, out string problem), problem);
        using SafeFileHandle held = place;
        File.Move(path, path + ".away");
        using Socket second = Listen(path);

        using Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(new UnixDomainSocketEndPoint(FileCalls.PathOf(place)));
        Assert.True(first.Poll(0, SelectMode.SelectRead));
        Assert.False(second.Poll(0, SelectMode.SelectRead));
    }

    private static Socket Listen(string path)
    {
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return listener;
    }

    private void Make(string script) => Tool.Run("sh", "-euc", $"umask 022; cd {_folder}; {script}");
}
