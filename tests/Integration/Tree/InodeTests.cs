using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// A file has an inode in the kernel for each time that its path was walked. They are one file to people: one number,
/// one owner, one mode, and what one inode's change forbids, the others forbid too.
/// </summary>
public sealed class InodeTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private readonly User _user = new((uint)NewNumber());

    [Fact]
    public void A_mode_that_changes_holds_at_once_for_each_way_to_the_file_that_was_there_before()
    {
        string node = NewNode();
        string bound = Path.Combine(Mount.Sandbox.MakeFolder($"bind{_user.Uid}"), "tpm");
        File.WriteAllText(bound, "");
        Mount.Sandbox.Shell($"chmod 666 {node}; mount --bind {node} {bound}");
        Agent agent = NewAgent(_user);
        string held = $"/proc/self/fd/{agent.Open(node, "O_PATH").Descriptor}";
        string[] ways = [node, bound, held];
        Opener opener = agent.Open(bound);

        Assert.All(ways, way => agent.Call("use", way).Data.Succeeded());
        Assert.Null(Admin.Call("chmod", node, "600").Errno);
        Assert.All(ways, way => Assert.Equal("EACCES", agent.Call("use", way).Errno));
        Mount.Sandbox.Shell($"setfacl -m u:{_user.Uid}:rw {bound}");
        Assert.All(ways, way => agent.Call("use", way).Data.Succeeded());
        Mount.Sandbox.Shell($"setfacl -b {node}");
        Assert.All(ways, way => Assert.Equal("EACCES", agent.Call("use", way).Errno));
        Assert.Null(Admin.Call("chown", node, _user.Uid, -1).Errno);
        Assert.All(ways, way => agent.Call("use", way).Data.Succeeded());
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Mount.Sandbox.Shell($"umount --lazy {bound}");
    }

    [Fact]
    public void A_file_shows_one_inode_number_however_often_it_is_looked_up()
    {
        string node = NewNode();
        Agent holder = NewAgent();
        Opener held = holder.Open(node, "O_PATH");
        string script = $"""
            stat -c '%d %i' {node} {node}
            stat -L -c '%d %i' /proc/{holder.Id}/fd/{held.Descriptor}
            exec 3<>{node}
            stat -L -c '%d %i' /dev/fd/3
            """;
        string[] shown = Mount.Sandbox.Shell(script).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(4, shown.Length);
        Assert.Single(shown.Distinct());
        string listing = Mount.Sandbox.Shell($"ls -ai1 {Path.GetDirectoryName(node)} | sed 's/^ */ /'");
        Assert.Contains($" {shown[0].Split(' ')[1]} rm0", listing, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("flock(a, LOCK_EX | LOCK_NB)")]
    [InlineData("lockf(a, LOCK_EX | LOCK_NB)")]
    public void A_lock_that_would_keep_nobody_out_is_refused(string call)
    {
        string script = $"""
            import errno, os
            from fcntl import *
            a = os.open("{NewNode()}", os.O_RDWR)
            try:
                {call}
            except OSError as error:
                print(errno.errorcode[error.errno])
            """;
        string outcome = Mount.Sandbox.Run(User.Root, "/usr/bin/python3", "-c", script).Succeeded().Output.Trim();
        Assert.Equal("ENOTSUP", outcome);
    }

    [Fact]
    public void A_removed_domains_file_is_gone_by_each_way_that_was_there_before()
    {
        string node = NewNode();
        Agent agent = NewAgent();
        string held = $"/proc/self/fd/{agent.Open(node, "O_PATH").Descriptor}";
        agent.Call("use", node).Data.Succeeded();

        Assert.Null(Admin.Call("rmdir", Path.GetDirectoryName(node)!).Errno);

        Assert.Equal("ENODEV", agent.Call("use", held).Errno);
    }

    private string NewNode()
    {
        string domain = NewDomain();
        Mount.Sandbox.Shell($"chmod 711 {domain}");
        return $"{domain}/rm0";
    }
}
