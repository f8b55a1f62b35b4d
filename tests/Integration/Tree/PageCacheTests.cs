using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// Reads that go through the kernel's page cache. The kernel holds a page's lock until such a read is answered, which
/// stops whoever truncates the cache; and it cuts what it reads to the file's size, which is not the response's. So
/// they are refused, and the response stays.
/// </summary>
public sealed class PageCacheTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const int SigBus = 7;

    [Theory]
    [InlineData("splice", "EINVAL 20")]
    [InlineData("sendfile", "EINVAL 20")]
    [InlineData("copy_file_range", "EXDEV 20")]
    [InlineData("shared mmap", "ENODEV 20")]
    [InlineData("readahead", "0 20")]
    [InlineData("fadvise", "0 20")]
    [InlineData("direct splice", "20 0")]
    [InlineData("direct readv", "20 0")]
    [InlineData("readv", "20 0")]
    [InlineData("asynchronous", "20 0")]
    [InlineData("direct asynchronous", "20 0")]
    public void A_way_to_read_gives_the_whole_response_or_leaves_it(string way, string expected) =>
        Assert.Equal(expected, Read(way));

    [Fact]
    public void A_page_of_the_node_cannot_be_read_and_the_response_stays() =>
        Assert.Equal($"{SigBus} 20", Read("mmap"));

    [Fact]
    public void A_readahead_behind_a_slow_command_holds_up_no_open_and_no_stat()
    {
        Opener slow = Open(user: User.Member);
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        using ChildProcess attacker = Mount.Sandbox.Start(User.Member, Client("readahead"));
        Deadline.Poll(
            () => Openers(Mount.Daemon.MountPoint).Any(line => line[2] == $"{attacker.Id}"),
            "the attacker's opener",
            attacker.Describe);
        Deadline.Poll(
            () => File.ReadAllText($"/proc/{attacker.Id}/syscall").StartsWith("0 ", StringComparison.Ordinal),
            "a read that waits",
            attacker.Describe);

        foreach (User user in (User[])[User.Member, User.OtherMember, User.Outsider])
        {
            Mount.Sandbox.Run(user, "stat", Mount.Node).Succeeded();
        }

        NewAgent(User.OtherMember).Open(Mount.Node).Close();
        Admin.Open(Mount.Node).Close();
        hold.Release();
        Assert.Equal("0 20", attacker.Wait().Succeeded().Output.Trim());
        slow.Read().Data.Succeeded();
    }

    private string[] Client(string way) =>
        ["/usr/bin/python3", Path.Combine(Mount.Sandbox.Scripts, "clients", "pagecache.py"), way, Mount.Node];

    private string Read(string way) => Mount.Sandbox.Run(User.Member, Client(way)).Succeeded().Output.Trim();
}
