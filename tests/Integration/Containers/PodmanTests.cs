using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Containers;

/// <summary>Containers of podman's, each with the node of a domain where its programs look for a TPM.</summary>
public sealed class PodmanTests(ContainerMount mount, ITestOutputHelper output)
    : TreeTests(mount, output), IClassFixture<ContainerMount>
{
    private const string Inside = "/dev/tpmrm0";

    private Podman ByRoot => mount.ByRoot;

    [Fact]
    public void A_container_of_roots_has_the_node_and_nothing_else_of_the_tree()
    {
        string domain = NewDomain();
        Agent inside = NewAgent(User.Root, ByRoot.Run(Volume(domain)));
        Opener opener = inside.Open(Inside);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal("0", Assert.Single(Openers(domain))[1]);
        Assert.Equal(Layer | 0x143, opener.Transact(Tree.TreeCommands.Clear()).Code());
        Assert.Equal("ENOENT", inside.Call("list", Mount.Daemon.MountPoint).Errno);
        inside.End();
    }

    [Fact]
    public void In_a_container_with_ids_of_its_own_the_hosts_id_is_who_asks()
    {
        string domain = NewDomain();
        Mount.Sandbox.Shell($"chown {Podman.FirstMappedId + 1000} {domain}/rm0; chmod 600 {domain}/rm0");
        Agent owner = NewAgent(User.Root, ByRoot.RunMapped(["--user", "1000", .. Volume(domain)]));
        Opener opener = owner.Open(Inside);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Equal($"{Podman.FirstMappedId + 1000}", Assert.Single(Openers(domain))[1]);
        owner.End();

        Agent other = NewAgent(User.Root, ByRoot.RunMapped(["--user", "1001", .. Volume(domain)]));
        Assert.Equal("EACCES", other.Call("use", Inside).Errno);
        other.End();

        // To open it, the container's root would need the group among its ids; to change the mode, the owner.
        Agent innerRoot = NewAgent(User.Root, ByRoot.RunMapped(Volume(domain)));
        Assert.Equal("EACCES", innerRoot.Call("use", Inside).Errno);
        Assert.Null(innerRoot.Call("chmod", Inside, "666").Errno);
        innerRoot.Call("use", Inside).Data.Succeeded();
        innerRoot.End();
    }

    [Fact]
    public void A_node_that_an_ACL_gives_to_a_containers_user_is_not_the_containers_roots_to_change()
    {
        string domain = NewDomain();
        Mount.Sandbox.Shell($"setfacl -m u:{Podman.FirstMappedId + 1000}:rw {domain}/rm0");
        Agent user = NewAgent(User.Root, ByRoot.RunMapped(["--user", "1000", .. Volume(domain)]));
        user.Call("use", Inside).Data.Succeeded();
        user.End();
        Agent innerRoot = NewAgent(User.Root, ByRoot.RunMapped(Volume(domain)));
        Assert.Equal("EACCES", innerRoot.Call("use", Inside).Errno);
        Assert.Equal("EPERM", innerRoot.Call("chmod", Inside, "666").Errno);
        Assert.Equal("EPERM", innerRoot.Call("chown", Inside, 1000, -1).Errno);
        innerRoot.End();
    }

    [Fact]
    public void A_rootless_container_has_the_node_that_its_user_was_given()
    {
        string domain = NewDomain();
        User tenant = ContainerMount.Tenant;
        Mount.Sandbox.Shell($"chown {tenant.Uid} {domain} {domain}/rm0");
        Agent inside = NewAgent(tenant, mount.ByTenant.Run(Volume(domain)));
        Opener opener = inside.Open(Inside);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal($"{tenant.Uid}", Assert.Single(Openers(domain))[1]);
        inside.End();

        // The container's other users are subordinate ids of the user's.
        Agent other = NewAgent(tenant, mount.ByTenant.Run(["--user", "7", .. Volume(domain)]));
        Assert.Equal("EACCES", other.Call("use", Inside).Errno);
        Mount.Sandbox.Shell($"setfacl -m u:{ContainerMount.FirstId + 6}:rw {domain}/rm0");
        other.Call("use", Inside).Data.Succeeded();
        other.End();
    }

    [Fact]
    public void Two_containers_with_a_domain_each_do_not_notice_each_other()
    {
        (string web, string db) = (NewDomain(), NewDomain());
        Write($"{web}/objects.max", "1");
        Agent inWeb = NewAgent(User.Root, ByRoot.Run(Volume(web)));
        Agent inDb = NewAgent(User.Root, ByRoot.RunMapped(Volume(db)));
        Mount.Sandbox.Shell($"setfacl -m u:{Podman.FirstMappedId}:rw {db}/rm0");
        (Opener ofWeb, Opener ofDb) = (inWeb.Open(Inside), inDb.Open(Inside));
        uint key = ofWeb.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal(Layer | 0x902, ofWeb.Transact(Tpm2.CreatePrimary()).Code());
        Assert.Equal(0x910u, ofDb.Transact(Tpm2.ReadPublic(key)).Code() & 0xFFF);
        for (int i = 0; i < 3; i++)
        {
            ofDb.Transact(Tpm2.CreatePrimary()).NewHandle();
        }

        Assert.Equal(3, ReadKeys($"{db}/stat")["objects"]);
        Assert.Equal(1, ReadKeys($"{web}/stat")["objects"]);

        // Who removes the one domain ends its container's use of the TPM, and no other's.
        Assert.Null(Admin.Call("rmdir", web).Errno);
        Assert.Equal("ENODEV", ofWeb.Write(Tpm2.GetRandom(8)).Errno);
        Assert.Equal("ENODEV", inWeb.Call("use", Inside).Errno);
        ofDb.Transact(Tpm2.GetRandom(8)).Succeeded();
        inWeb.End();
        inDb.End();
    }

    [Fact]
    public void Tools_of_two_kinds_work_in_a_container()
    {
        string[] container = ByRoot.Run(
            [.. Volume(NewDomain()), "--env", $"TPM2TOOLS_TCTI=device:{Inside}", "--env", "TPM_INTERFACE_TYPE=dev",
                "--env", $"TPM_DEVICE={Inside}"]);
        Outcome ended = Mount.Sandbox.Run(
            User.Root, [.. container, "sh", "-euc", "tpm2_getrandom --hex 16; tssgetrandom -by 16 -ns"]);
        string printed = string.Concat(ended.Succeeded().Output.Where(char.IsAsciiHexDigit));
        Assert.Equal(64, printed.Length);
    }

    [Fact]
    public void A_daemon_in_a_privileged_container_serves_the_host_and_other_containers()
    {
        Sandbox sandbox = Mount.Sandbox;
        (string run, string state) = (sandbox.MakeRootsFolder("host-run"), sandbox.MakeRootsFolder("host-state"));
        string tpm = Path.GetDirectoryName(Mount.Bare.Socket)!;
        sandbox.Shell($"mount --bind {run} {run}; mount --make-shared {run}");
        string[] container = ByRoot.Run(
            "--privileged", "--volume", $"{run}:/host:rshared", "--volume", $"{state}:/state",
            "--volume", $"{Path.GetDirectoryName(sandbox.Program)}:/opt:ro",
            "--volume", $"{tpm}:{tpm}");
        string script =
            $"mkdir /host/tpmfs; exec /opt/tpmfs mount /host/tpmfs --tpm {Mount.Bare.Tcti} --state-dir /state";
        ChildProcess daemon = EndWithTest(sandbox.Start(User.Root, [.. container, "sh", "-euc", script]));
        string domain = $"{run}/tpmfs/domains/web";
        Deadline.Poll(
            () => daemon.HasExited || Admin.Call("mkdir", domain).Errno is null, "the host sees the tree",
            daemon.Describe);
        Assert.False(daemon.HasExited, daemon.Describe());
        Agent inside = NewAgent(User.Root, ByRoot.Run(Volume(domain)));
        inside.Open(Inside).Transact(Tpm2.CreatePrimary()).NewHandle();
        inside.End();
        daemon.Send(Signals.Term);
        Assert.True(daemon.Wait().ExitCode == 0, daemon.Describe());
        Assert.DoesNotContain(sandbox.FuseMounts, point => point.StartsWith(run, StringComparison.Ordinal));
        sandbox.Shell($"umount {run}");
    }

    private static string[] Volume(string domain) => ["--volume", $"{domain}/rm0:{Inside}"];
}
