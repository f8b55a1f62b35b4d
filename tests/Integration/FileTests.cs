using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>The managed node as a file: sizes, statuses, errno values, partial reads.</summary>
public sealed class FileTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    private static readonly byte[] s_command = Tpm2.GetRandom(8);
    private const int ResponseSize = 20;

    [Fact]
    public void The_node_belongs_to_root_and_the_group_tss_and_is_as_large_as_the_largest_command()
    {
        Assert.Equal(
            $"regular file 660 0 {Requirements.Group("tss")} 4096\n",
            Mount.Sandbox.Shell($"stat -c '%F %a %u %g %s' {Mount.Node}"));
    }

    [Fact]
    public void Any_number_of_opens_sends_nothing_to_the_tpm()
    {
        AssertTpmEmpties();
        int before = Mount.Proxy.Commands.Count;
        Agent agent = NewAgent();
        for (int i = 0; i < 100; i++)
        {
            agent.Open(Mount.Node);
        }

        Assert.DoesNotContain(Mount.Proxy.Commands.Skip(before), code => code != TpmCc.GetRandom);
    }

    [Theory]
    [InlineData("lseek", 5)]
    [InlineData("pread", 5, 5)]
    [InlineData("pwrite", "80010000000c0000017b0008", 5)]
    public void The_node_cannot_be_positioned(string operation, params object[] arguments)
    {
        Assert.Equal("ESPIPE", Open().Call(operation, arguments).Errno);
    }

    [Fact]
    public void A_shell_can_redirect_to_the_node()
    {
        Mount.Sandbox.Shell($@"printf '\200\001\000\000\000\014\000\000\001\173\000\010' >{Mount.Node}");
        Mount.Sandbox.Shell($@"printf '\200\001\000\000\000\014\000\000\001\173\000\010' >>{Mount.Node}");
        string size = Mount.Sandbox.Shell(
            $@"exec 3<>{Mount.Node}; printf '\200\001\000\000\000\014\000\000\001\173\000\010' >&3; "
            + "head -c 4096 <&3 | wc -c");
        Assert.Equal($"{ResponseSize}\n", size);
    }

    /// <summary>
    /// Tests the words of docs/differences.md on RLIMIT_FSIZE: the kernel holds a regular file to it, and a device not.
    /// </summary>
    [Theory]
    [InlineData(0, "EFBIG")]
    [InlineData(5, "EINVAL")]
    [InlineData(11, "EINVAL")]
    [InlineData(12, null)]
    [InlineData(4096, null)]
    public void A_limit_on_the_size_of_files_holds_for_the_node(int limit, string? errno)
    {
        Agent agent = NewAgent();
        Opener opener = agent.Open(Mount.Node);
        Assert.Null(agent.Call("limit_files", limit).Errno);
        for (int i = 0; i < 3; i++)
        {
            Reply written = opener.Write(s_command);
            Assert.Equal((errno, errno is null ? s_command.Length : written.Value), (written.Errno, written.Value));
            Assert.Equal(errno is null ? ResponseSize : 0, opener.Read().Data.Length);
        }
    }

    [Fact]
    public void Truncating_the_node_changes_nothing()
    {
        Opener opener = Open();
        opener.Submit(s_command);
        Assert.Null(opener.Call("truncate", 0).Errno);
        Assert.Equal(ResponseSize, opener.Read().Data.Length);
    }

    [Theory]
    [InlineData(4097)]
    [InlineData(5000)]
    [InlineData(65536)]
    [InlineData(1 << 20)]
    public void A_write_over_the_buffer_is_too_big_and_does_not_reach_the_tpm(int size)
    {
        Opener opener = Open();
        int before = Mount.Proxy.Count(TpmCc.GetCapability);
        byte[] oversized = new byte[size];
        Tpm2.GetCapability(6, 0x100, 1).CopyTo(oversized, 0);
        Assert.Equal("E2BIG", opener.Write(oversized).Errno);
        Assert.Empty(opener.Read().Data);
        Assert.Equal(before, Mount.Proxy.Count(TpmCc.GetCapability));
        Assert.Equal(ResponseSize, opener.Transact(s_command).Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(9)]
    [InlineData(11)]
    public void A_write_shorter_than_a_header_or_than_its_size_field_is_invalid(int size)
    {
        Opener opener = Open();
        Assert.Equal("EINVAL", opener.Write(s_command[..size]).Errno);
        Assert.Empty(opener.Read().Data);
        Assert.Equal(ResponseSize, opener.Transact(s_command).Length);
    }

    [Fact]
    public void Bytes_behind_the_stated_size_are_tolerated()
    {
        byte[] response = Open().Transact([.. s_command, 1, 2, 3, 4, 5, 6, 7]);
        Assert.Equal(ResponseSize, response.Succeeded().Length);
    }

    [Fact]
    public void A_command_in_several_pieces_of_one_writev_is_one_command()
    {
        Opener opener = Open();
        Reply written = opener.Call("writev", Convert.ToHexString(s_command[..3]), Convert.ToHexString(s_command[3..]));
        Assert.Equal((s_command.Length, null), (written.Value, written.Errno));
        Assert.Equal(ResponseSize, opener.Read().Data.Length);
    }

    [Theory]
    [InlineData("O_RDWR")]
    [InlineData("O_RDWR|O_NONBLOCK")]
    public void A_read_with_nothing_pending_gives_nothing(string flags)
    {
        Opener opener = Open(flags);
        Assert.Equal((null, 0), (opener.Read().Errno, opener.Read().Data.Length));
        opener.Submit(s_command);
        Assert.Equal(Events.Readable, opener.Poll(-1, Events.Readable));
        Assert.Equal(ResponseSize, opener.Read().Data.Length);
        Assert.Equal((null, 0), (opener.Read().Errno, opener.Read().Data.Length));
    }

    [Fact]
    public void A_response_can_be_read_in_parts()
    {
        Opener opener = Open();
        opener.Submit(s_command);
        List<byte> response = [.. opener.Read(10).Data];
        Assert.Equal(10, response.Count);
        Assert.Equal(ResponseSize, Tpm2.StatedSize([.. response]));
        for (int i = 10; i < ResponseSize; i++)
        {
            response.AddRange(opener.Read(1).Data);
        }

        Assert.Equal(ResponseSize, response.Count);
        Assert.Empty(opener.Read().Data);
    }

    [Fact]
    public void A_write_after_a_partial_read_drops_the_rest()
    {
        Opener opener = Open();
        opener.Submit(Tpm2.GetRandom(16));
        Assert.Equal(10, opener.Read(10).Data.Length);
        Assert.Equal(ResponseSize, opener.Transact(s_command).Succeeded().Length);
        Assert.Empty(opener.Read().Data);
    }

    [Fact]
    public void A_write_while_a_response_is_unread_is_busy_and_harms_nothing()
    {
        Opener opener = Open();
        opener.Submit(s_command);
        Assert.Equal(Events.Readable, opener.Poll(-1, Events.Readable));
        Assert.Equal("EBUSY", opener.Write(Tpm2.GetRandom(4)).Errno);
        Assert.Equal(ResponseSize, opener.Read().Data.Length);
    }

    [Fact]
    public void A_write_while_a_command_runs_is_busy_and_harms_nothing()
    {
        Opener opener = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Assert.Equal("EBUSY", opener.Write(s_command).Errno);
        hold.Release();
        opener.Read().Data.Succeeded();
        Assert.Equal(ResponseSize, opener.Transact(s_command).Length);
    }

    [Fact]
    public void A_read_that_must_not_wait_while_a_command_runs_is_told_to_try_again()
    {
        Opener opener = Open("O_RDWR|O_NONBLOCK");
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        Assert.Equal("EAGAIN", opener.Read().Errno);
        hold.WaitUntilHeld();
        Assert.Equal("EAGAIN", opener.Read().Errno);
        hold.Release();
        Assert.Equal(Events.In, opener.Poll(-1, Events.In));
        opener.Read().Data.Succeeded();
    }

    [Fact]
    public void Whether_a_read_waits_is_as_set_now_not_as_opened()
    {
        Opener opener = Open("O_RDWR");
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Assert.Null(opener.Call("nonblock", 1).Errno);
        Assert.Equal("EAGAIN", opener.Read().Errno);
        Assert.Null(opener.Call("nonblock", 0).Errno);
        Task<Reply> response = opener.BeginRead();
        opener.Agent.WaitUntilBlockedIn(opener.Descriptor);
        Assert.False(response.IsCompleted);
        hold.Release();
        opener.Agent.End(response).Data.Succeeded();
    }

    [Fact]
    public void A_command_whose_tpm_is_lost_ends_in_an_error_of_the_read()
    {
        Opener opener = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        opener.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Mount.Proxy.Cut();
        Assert.Equal("EIO", opener.Read().Errno);
        hold.Release();
        opener.Transact(Tpm2.ReadClock()).Succeeded();
    }

    [Theory]
    [InlineData("touch new", "Permission denied")]
    [InlineData("mkfifo new", "Permission denied")]
    [InlineData("ln -s rm0 new", "Operation not permitted")]
    [InlineData("ln rm0 new", "Operation not permitted")]
    [InlineData("mv rm0 new", "Operation not permitted")]
    [InlineData("rm rm0", "Operation not permitted")]
    public void What_the_filesystem_does_not_offer_is_refused_in_words_that_make_sense(string command, string message)
    {
        Outcome outcome =
            Mount.Sandbox.Run(User.Root, "sh", "-c", $"cd {Mount.Daemon.MountPoint} && LC_ALL=C {command}");
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_root_lists_the_node()
    {
        Assert.Contains("rm0", Mount.Sandbox.Shell($"ls {Mount.Daemon.MountPoint}").Split('\n'));
    }
}
