using System.Diagnostics;
using System.Globalization;

namespace TpmFs.Fuse.Tests.Mount;

/// <summary>A real kernel in front of the toy filesystem.</summary>
public sealed class RealMountTests : IDisposable
{
    private readonly MountNamespace _space = new();
    private readonly ToyServer _server;

    public RealMountTests()
    {
        _server = ToyServer.Start(_space, "allow_other", "acl");
    }

    public void Dispose()
    {
        _server.Dispose();
        _space.Dispose();
    }

    [Fact]
    public void Ls_cat_stat_and_df_work()
    {
        Assert.Equal(
            ["hello", "link", "pipe"],
            _space.Succeed("ls", _space.MountPoint).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal("hello, world\n", _space.Succeed("cat", $"{_space.MountPoint}/hello"));
        Assert.Equal("hello, world\n", _space.Succeed("cat", $"{_space.MountPoint}/link"));
        Assert.Equal(
            "2 13 644 regular file\n", _space.Succeed("stat", "-c", "%i %s %a %F", $"{_space.MountPoint}/hello"));
        Assert.Contains("toyfs", _space.Succeed("df", _space.MountPoint), StringComparison.Ordinal);
        _server.Stop();
    }

    [Fact]
    public void The_mount_table_shows_type_source_and_what_is_forbidden()
    {
        string line = Assert.Single(_space.Mounts);

        Assert.Contains("rw,nosuid,nodev,noexec", line, StringComparison.Ordinal);
        Assert.Contains(
            "- fuse.toyfs toyfs rw,user_id=0,group_id=0,default_permissions,allow_other", line,
            StringComparison.Ordinal);
        _server.Stop();
        Assert.Empty(_space.Mounts);
    }

    [Fact]
    public void Directories_come_and_go_and_creating_files_is_refused()
    {
        _space.Python("""
            os.mkdir('dir'); assert 'dir' in os.listdir('.'); os.rmdir('dir'); assert 'dir' not in os.listdir('.')
            def error(f, *arguments):
                try: f(*arguments)
                except OSError as e: return e.errno
            assert error(os.open, 'new', os.O_CREAT | os.O_RDWR) == errno.EACCES
            assert error(os.mknod, 'new') == errno.EACCES
            assert error(os.unlink, 'hello') == errno.EPERM
            assert error(os.rename, 'hello', 'other') == errno.EPERM
            assert error(os.link, 'hello', 'other') == errno.EPERM
            assert error(os.symlink, 'hello', 'other') == errno.EPERM
            assert error(os.open, '.', os.O_TMPFILE | os.O_RDWR) == errno.EOPNOTSUPP
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.fallocate(os.open('hello', os.O_RDWR), 0, ctypes.c_long(0), ctypes.c_long(10)) == -1
            assert ctypes.get_errno() == errno.EOPNOTSUPP
            assert error(fcntl.ioctl, os.open('hello', os.O_RDWR), 0x40045401, b'abcd') == errno.ENOTTY
            assert error(os.lseek, os.open('pipe', os.O_RDWR), 0, os.SEEK_SET) == errno.ESPIPE
            assert os.lseek(os.open('hello', os.O_RDWR), 0, os.SEEK_DATA) == 0
            os.truncate('hello', 0); os.chmod('hello', 0o600); os.utime('hello'); os.sync()
            """);
        _server.Stop();
    }

    [Fact]
    public void Extended_attributes_are_set_listed_read_and_removed()
    {
        _space.Python("""
            os.setxattr('hello', 'user.a', b'1' * 1000)
            assert os.listxattr('hello') == ['user.a'] and os.getxattr('hello', 'user.a') == b'1' * 1000
            os.removexattr('hello', 'user.a')
            try: os.getxattr('hello', 'user.a'); assert False
            except OSError as e: assert e.errno == errno.ENODATA
            """);
        _server.Stop();
    }

    [Fact]
    public void An_unaligned_write_of_64_KiB_arrives_in_one_piece()
    {
        _space.Python("""
            import mmap
            memory = mmap.mmap(-1, 131072)
            memory[:] = b'a' * 131072
            fd = os.open('pipe', os.O_RDWR)
            assert os.write(fd, memoryview(memory)[100:100 + 65536]) == 65536
            assert os.read(fd, 65536) == b'A' * 65536
            """);
        _server.Stop();
    }

    [Fact]
    public void The_callers_user_reaches_the_filesystem()
    {
        _space.Succeed(
            "setpriv", "--reuid", "4321", "--regid", "4321", "--clear-groups", "cat", $"{_space.MountPoint}/hello");

        Assert.Equal("open 4321", _server.WaitFor("open"));
        _server.Stop();
    }

    [Theory]
    [InlineData(
        "waiter = select.poll(); waiter.register(fd, select.POLLIN)\ndef wait(): return [e for _, e in "
            + "waiter.poll(20000)]")]
    [InlineData(
        "waiter = select.epoll(); waiter.register(fd, select.EPOLLIN)\ndef wait(): return [e for _, e in "
            + "waiter.poll(20)]")]
    [InlineData(
        "waiter = select.epoll(); waiter.register(fd, select.EPOLLIN | select.EPOLLET)\ndef wait(): return [e for _, "
            + "e in waiter.poll(20)]")]
    public void Poll_and_epoll_wake_when_the_file_becomes_readable(string waiter)
    {
        using Process client = _space.StartPython($"""
            fd = os.open('pipe', os.O_RDWR | os.O_NONBLOCK)
            {waiter}
            for word in (b'first', b'second'):
                print('go')
                events = wait()
                assert events == [select.POLLIN], events
                assert os.read(fd, 100) == word
            """);

        // What becomes ready before the client polls is seen by its poll; what comes after, by the notification.
        foreach (string word in new[] { "first", "second" })
        {
            Assert.Equal("go", client.StandardOutput.ReadLine());
            _server.WaitFor("polled");
            _server.Order($"say {word}");
        }

        Assert.Equal((0, string.Empty, string.Empty), MountNamespace.Wait(client, "the polling client"));
        _server.Stop();
    }

    [Fact]
    public void A_signal_ends_a_waiting_read_with_eintr_and_nothing_is_lost()
    {
        using Process client = _space.StartPython("""
            class Interrupted(Exception): pass
            def handler(*_): raise Interrupted
            signal.signal(signal.SIGUSR1, handler)
            fd = os.open('pipe', os.O_RDWR)
            print(os.getpid())
            try: os.read(fd, 100); print('read')
            except Interrupted: print('interrupted')
            print(os.read(fd, 100).decode())
            """);
        string pid = client.StandardOutput.ReadLine()!;
        _server.WaitFor("waiting");

        _space.Succeed("kill", "-USR1", pid);
        Assert.Equal("interrupted", client.StandardOutput.ReadLine());
        _server.WaitFor("waiting");
        _server.Order("say still here");

        Assert.Equal("still here", client.StandardOutput.ReadLine());
        Assert.Equal(0, MountNamespace.Wait(client, "the interrupted client").Code);
        _server.Stop();
    }

    [Fact]
    public void A_client_killed_in_a_waiting_read_goes_away_at_once()
    {
        using Process client = _space.StartPython("os.read(os.open('pipe', os.O_RDWR), 100)");
        _server.WaitFor("waiting");

        client.Kill();

        MountNamespace.Wait(client, "the killed client");
        _server.WaitFor("release");
        _server.Stop();
    }

    [Fact]
    public void One_waiting_read_holds_up_no_other_request()
    {
        using Process client = _space.StartPython("print(os.read(os.open('pipe', os.O_RDWR), 100).decode())");
        _server.WaitFor("waiting");

        for (int i = 0; i < 20; i++)
        {
            Assert.Equal("hello, world\n", _space.Succeed("cat", $"{_space.MountPoint}/hello"));
        }

        _space.Python("assert os.write(os.open('pipe', os.O_RDWR), b'from another') == 12");
        Assert.Equal((0, "FROM ANOTHER\n", string.Empty), MountNamespace.Wait(client, "the waiting client"));
        _server.Stop();
    }

    [Fact]
    public void Stopping_ends_a_waiting_read_at_once_and_leaves_no_mount()
    {
        using Process client = _space.StartPython("""
            try: os.read(os.open('pipe', os.O_RDWR), 100)
            except OSError as e: print(errno.errorcode[e.errno])
            """);
        _server.WaitFor("waiting");

        _server.Stop();

        Assert.Equal((0, "ENODEV\n", string.Empty), MountNamespace.Wait(client, "the waiting client"));
        Assert.Empty(_space.Mounts);
    }

    [Fact]
    public void Unmounting_without_stopping_ends_the_session_and_a_waiting_read()
    {
        using Process client = _space.StartPython("""
            try: os.read(os.open('pipe', os.O_RDWR), 100)
            except OSError as e: print(errno.errorcode[e.errno])
            """);
        _server.WaitFor("waiting");

        _server.Order("unmount");

        _server.WaitFor("ended Stopped");
        Assert.Equal(0, _server.WaitForExit());

        // From the kernel, or from the session's end, whichever is faster.
        Assert.Matches("^(ECONNABORTED|ENODEV)\n$", MountNamespace.Wait(client, "the waiting client").Output);
        Assert.Empty(_space.Mounts);
    }

    [Fact]
    public void An_unmount_from_outside_ends_the_session_as_such()
    {
        _space.Succeed("umount", _space.MountPoint);

        _server.WaitFor("ended Unmounted");
        Assert.Equal(1, _server.WaitForExit());
    }

    [Fact]
    public void An_abort_from_outside_ends_the_session_as_such_and_the_mount_is_taken_off()
    {
        string control = Directory.CreateDirectory(Path.Combine(_space.Folder, "ctl")).FullName;
        string device = Assert.Single(_space.Mounts).Split(' ')[2].Split(':')[1];
        _space.Succeed("mount", "-t", "fusectl", "none", control);

        _space.Succeed("sh", "-c", $"echo 1 > {control}/{device}/abort");

        _server.WaitFor("ended Unmounted");
        Assert.Equal(1, _server.WaitForExit());
        Assert.DoesNotContain(_space.Mounts, line => line.Contains("fuse.toyfs", StringComparison.Ordinal));
    }

    [Fact]
    public void A_mount_that_somebody_put_on_top_is_left_alone()
    {
        _space.Succeed("mount", "-t", "tmpfs", "somebody", _space.MountPoint);

        _server.Order("stop");
        _server.WaitFor("warning");
        Assert.Equal(0, _server.WaitForExit());

        Assert.Equal(2, _space.Mounts.Length);
    }

    [Fact]
    public void Many_clients_at_once_get_right_answers()
    {
        const int Clients = 8;
        Process[] clients = Enumerable.Range(0, Clients).Select(_ => _space.StartPython("""
            for i in range(300):
                assert open('hello').read() == 'hello, world\n'
                assert os.stat('hello').st_size == 13 and sorted(os.listdir('.')) == ['hello', 'link', 'pipe']
            """)).ToArray();

        foreach (Process? client in clients)
        {
            Assert.Equal(
                (0, string.Empty, string.Empty),
                MountNamespace.Wait(client, string.Create(CultureInfo.InvariantCulture, $"client {client.Id}")));
            client.Dispose();
        }

        _server.Stop();
    }
}
