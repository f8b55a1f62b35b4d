using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// Tests root's commands on a tree, and on a directory for their output, that another user made. Regression: 'tpmfs
/// cdi' gave containers whatever a link in such a tree led to, and a link in the place of the output's directory led
/// root's file, and its removal, to any place of the machine.
/// </summary>
public sealed class ForeignTreeTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    [Theory]
    [InlineData("cdi")]
    [InlineData("status")]
    [InlineData("openers")]
    [InlineData("doctor")]
    [InlineData("suspend")]
    public void A_tree_that_another_user_made_is_refused(string command)
    {
        string tree = MakeTree();
        Outcome ended = Mount.Sandbox.Run(User.Root, [Mount.Sandbox.Program, command, "--mount", tree]);
        Assert.Equal(1, ended.ExitCode);
        Assert.DoesNotContain("shadow", ended.Output, StringComparison.Ordinal);
        Assert.Contains(
            command == "doctor" ? "no TPM is mounted" : $"belongs to user {User.Member.Uid}",
            ended.Output + ended.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("out/tpmfs.json")]
    [InlineData("link/tpmfs.json")]
    public void A_specification_is_not_written_where_another_user_decides_where_that_is(string file)
    {
        NewDomain();
        string path = Path.Combine(MakeTree(), file);
        Outcome ended = Mount.Sandbox.Run(
            User.Root, [Mount.Sandbox.Program, "cdi", "--output", path, "--mount", Mount.Daemon.MountPoint]);
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains($"belongs to user {User.Member.Uid}", ended.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }

    /// <summary>
    /// Tests what a user shows to all in a FUSE filesystem whose server says that root owns it. Regression: only a tree
    /// at the mount point itself was refused.
    /// </summary>
    [Theory]
    [InlineData("status --mount {0}")]
    [InlineData("status --mount {0}/tree")]
    [InlineData("cdi --mount {0}/tree")]
    [InlineData("check-config --config {0}/tree/tpmfs.json")]
    [InlineData("mount elsewhere --tpm embedded --state-dir {0}/tree/state")]
    public void A_filesystem_that_another_user_mounted_is_refused_whatever_it_says_of_its_owners(string command)
    {
        string folder = Mount.Sandbox.MakeRootsFolder($"claims-{Guid.NewGuid():N}");
        string place = Path.Combine(folder, "place");
        string user = User.Member.Uid.ToString(CultureInfo.InvariantCulture);
        Mount.Sandbox.Shell(
            $"cd {folder}; mkdir -p place elsewhere shown/tree/domains/web shown/tree/users; "
                + $"mkdir -m 700 shown/tree/state; cp {At("status")} shown/tree/status; "
                + "echo '{ \"tpm\": \"embedded\" }' >shown/tree/tpmfs.json");
        string client = Path.Combine(Mount.Sandbox.Scripts, "clients", "claims.py");
        using ChildProcess server = Mount.Sandbox.Start(
            User.Root, ["/usr/bin/python3", client, place, user, $"{folder}/shown"]);
        Deadline.Poll(
            () => server.HasExited || server.Printed.Contains("ready", StringComparison.Ordinal), "the filesystem",
            server.Describe);
        string[] words = string.Format(CultureInfo.InvariantCulture, command, place).Split(' ');

        Outcome ended = Mount.Sandbox.Run(User.Root, ["env", "-C", folder, Mount.Sandbox.Program, .. words]);

        Assert.Equal(1, ended.ExitCode);
        Assert.Contains($"user {user}", ended.Error, StringComparison.Ordinal);
        Assert.Contains(place, ended.Error, StringComparison.Ordinal);
    }

    /// <summary>Makes a directory that looks like a tree, and belongs to another user with all that is in it.</summary>
    private string MakeTree()
    {
        string tree = Mount.Sandbox.MakeRootsFolder($"foreign-{Guid.NewGuid():N}");
        Mount.Sandbox.Shell(
            $"mkdir -p {tree}/domains/web {tree}/users {tree}/out; ln -s /etc/shadow {tree}/domains/web/rm0; "
                + $"cp {At("status")} {tree}/status; ln -s {tree}/out {tree}/link; chown -hR {User.Member.Uid} {tree}");
        return tree;
    }
}
