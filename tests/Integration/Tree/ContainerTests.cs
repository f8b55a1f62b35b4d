using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// A node shown in another mount namespace, or used from another user namespace: the uid that counts is the host's.
/// </summary>
public sealed class ContainerTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const int FirstId = 100_000, Ids = 65_536;

    private readonly User _tenant = new((uint)NewNumber());

    [Fact]
    public void A_bubblewrap_container_has_the_node_that_was_bound_in_it_and_nothing_else_of_the_tree()
    {
        string domain = NewDomain();
        string node = Grant(domain, _tenant.Uid);
        string[] container =
        [
            "bwrap", "--die-with-parent", "--unshare-user", "--unshare-pid", "--uid", "0", "--gid", "0", "--ro-bind",
            "/", "/", "--dev", "/dev",
            "--proc", "/proc", "--tmpfs", Mount.Daemon.MountPoint, "--dev-bind", node, "/dev/tpmrm0",
        ];
        Agent inside = NewAgent(_tenant, container);
        inside.Call("use", "/dev/tpmrm0").Data.Succeeded();
        Assert.Empty(inside.Call("list", Mount.Daemon.MountPoint).Data);
        Opener opener = inside.Open("/dev/tpmrm0");
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal($"{_tenant.Uid}", Assert.Single(Openers(domain))[1]);
        Assert.Equal(Layer | 0x143, opener.Transact(TreeCommands.Clear()).Code());
        Assert.Equal("EPERM", inside.Call("chown", "/dev/tpmrm0", 0, 0).Errno);

        // To be root inside is to be nobody in particular outside.
        Admin.Call("chmod", node, "600");
        Assert.Equal("EACCES", inside.Call("use", "/dev/tpmrm0").Errno);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void Tools_in_a_bubblewrap_container_work_on_the_node()
    {
        string node = Grant(NewDomain(), _tenant.Uid);
        using ChildProcess client = Mount.Sandbox.Start(
            _tenant,
            ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--dev-bind", node, "/dev/tpmrm0",
                "tpm2_getrandom", "--hex", "16"],
            Flow.Node("/dev/tpmrm0"));
        Assert.Equal(32, client.Wait().Succeeded().Output.Trim().Length);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1000, 1000)]
    [InlineData(1000, 0)]
    [InlineData(0, 1000)]
    public void In_a_user_namespace_the_mapped_id_is_who_asks(int inner, int granted)
    {
        string domain = NewDomain();
        string node = Grant(domain, (uint)(FirstId + granted));
        Agent agent = NewAgent(User.Root, Mapped(inner));
        if (inner != granted)
        {
            Assert.Equal("EACCES", agent.Call("use", node).Errno);
            return;
        }

        Opener opener = agent.Open(node);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Equal($"{FirstId + granted}", Assert.Single(Openers(domain))[1]);
        opener.Close();
    }

    [Fact]
    public void A_user_of_a_user_namespace_has_the_directory_of_the_mapped_id()
    {
        int inner = NewNumber() - 60_000 + 1000;
        Assert.Null(Admin.Call("mkdir", At($"users/{FirstId + inner}")).Errno);
        Agent agent = NewAgent(User.Root, Mapped(inner));
        agent.Call("use", At($"users/{FirstId + inner}/rm0")).Data.Succeeded();
        agent.Call("use", At("self/rm0")).Data.Succeeded();
        Assert.Equal("ENOENT", NewAgent(User.Root, Mapped(inner + 1)).Call("use", At("self/rm0")).Errno);

        // The directory's group is the host's root, so the namespace's root is nobody in particular there.
        Agent innerRoot = NewAgent(User.Root, Mapped(0));
        Assert.Equal("EACCES", innerRoot.Call("use", At($"users/{FirstId + inner}/rm0")).Errno);
        Assert.Equal("EACCES", innerRoot.Call("use", $"{NewUser().Path}/rm0").Errno);
        Assert.Equal("EACCES", innerRoot.Call("list", At($"users/{FirstId + inner}/locality")).Errno);
        Assert.Equal("EACCES", innerRoot.Call("echo", At($"users/{FirstId + inner}/objects.max"), "35").Errno);
        Assert.Equal("EACCES", innerRoot.Call("mkdir", At("domains/theirs")).Errno);
        Assert.Equal("EACCES", innerRoot.Call("use", At("rm0")).Errno);
        Assert.Equal("EPERM", innerRoot.Call("chmod", At("rm0"), "666").Errno);
    }

    [Fact]
    public void A_node_is_bound_into_a_service_as_systemds_BindPaths_does_it()
    {
        string domain = NewDomain();
        string target = Path.Combine(
            Mount.Sandbox.MakeFolder(string.Create(CultureInfo.InvariantCulture, $"service{_tenant.Uid}")), "tpm");
        File.WriteAllText(target, "");
        Admin.Call("chown", $"{domain}/rm0", _tenant.Uid, -1);

        // The directory above the node stays closed: the service gets the node alone.
        string script = $"""
            mount --bind {domain}/rm0 {target}
            mount -t tmpfs none {Mount.Daemon.MountPoint}
            exec setpriv --reuid={_tenant.Uid} --regid={_tenant.Uid} --clear-groups --no-new-privs -- "$@"
            """;
        string[] service = ["unshare", "--mount", "--propagation", "slave", "sh", "-euc", script, "sh"];
        Agent inside = NewAgent(User.Root, service);
        Opener opener = inside.Open(target);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal($"{_tenant.Uid}", Assert.Single(Openers(domain))[1]);
        Assert.Equal("EACCES", NewAgent(_tenant).Call("use", $"{domain}/rm0").Errno);
    }

    [Fact]
    public void An_old_bind_mount_stays_dead_when_its_domain_is_made_again()
    {
        string domain = NewDomain();
        string target = Path.Combine(Mount.Sandbox.MakeFolder(Path.GetFileName(domain)), "tpm");
        File.WriteAllText(target, "");
        Mount.Sandbox.Shell($"mount --bind {domain}/rm0 {target}");
        Admin.Call("use", target).Data.Succeeded();
        Assert.Null(Admin.Call("rmdir", domain).Errno);
        Assert.Equal("ENODEV", Admin.Call("use", target).Errno);
        Assert.Null(Admin.Call("mkdir", domain).Errno);
        Admin.Call("use", $"{domain}/rm0").Data.Succeeded();
        Assert.Equal("ENODEV", Admin.Call("use", target).Errno);
        Mount.Sandbox.Shell($"umount {target}; mount --bind {domain}/rm0 {target}");
        Admin.Call("use", target).Data.Succeeded();
        Mount.Sandbox.Shell($"umount {target}");
    }

    /// <summary>Lets a host uid use a domain's node, and find it; returns the node.</summary>
    private string Grant(string domain, uint uid)
    {
        Mount.Sandbox.Shell($"setfacl -m u:{uid}:x {domain}; setfacl -m u:{uid}:rw {domain}/rm0");
        return $"{domain}/rm0";
    }

    private string[] Mapped(int inner) =>
        ["/usr/bin/python3", Path.Combine(Mount.Sandbox.Scripts, "clients", "userns.py"), $"{FirstId}", $"{Ids}",
            $"{inner}"];
}
