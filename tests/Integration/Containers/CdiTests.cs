using System.Text.Json;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.Tree;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Containers;

/// <summary>tpmfs cdi: container engines learn of domains as devices, by name.</summary>
public sealed class CdiTests(ContainerMount mount, ITestOutputHelper output)
    : TreeTests(mount, output), IClassFixture<ContainerMount>
{
    private const string Kind = "tpmfs.example/tpm";
    private const string File = "/run/cdi/tpmfs.json";

    /// <summary>Clients that are told of the TPM by the environment alone, and print 32 digits together.</summary>
    private const string Clients = "tpm2_getrandom --hex 8; tssgetrandom -by 8 -ns";

    [Fact]
    public void A_container_names_its_domain_and_has_its_node_and_what_tells_programs_of_it()
    {
        (string web, string other) = (NewDomain(), NewDomain());
        Cdi("--output", File).Succeeded();
        string[] container = mount.ByRoot.Run("--device", $"{Kind}={Path.GetFileName(web)}");
        Outcome ended = Mount.Sandbox.Run(User.Root, [.. container, "sh", "-euc", Clients]);
        Assert.Equal(32, ended.Succeeded().Output.Count(char.IsAsciiHexDigit));
        Assert.NotEqual(0, ReadKeys($"{web}/stat")["commands"]);
        Assert.Equal(0, ReadKeys($"{other}/stat")["commands"]);
    }

    [Fact]
    public void A_container_with_ids_of_its_own_names_its_domain_too()
    {
        string domain = NewDomain();
        Mount.Sandbox.Shell($"chown {Podman.FirstMappedId + 1000} {domain}/rm0");
        Cdi("--output", File).Succeeded();
        string[] container = mount.ByRoot.RunMapped(
            "--user", "1000", "--device", $"{Kind}={Path.GetFileName(domain)}");
        Mount.Sandbox.Run(User.Root, [.. container, "sh", "-euc", Clients]).Succeeded();
    }

    [Fact]
    public void A_rootless_container_names_its_domain_too()
    {
        string domain = NewDomain();
        Mount.Sandbox.Shell($"chown {ContainerMount.Tenant.Uid} {domain} {domain}/rm0");
        Cdi("--output", File).Succeeded();
        string[] container = mount.ByTenant.Run("--device", $"{Kind}={Path.GetFileName(domain)}");
        Mount.Sandbox.Run(ContainerMount.Tenant, [.. container, "sh", "-euc", Clients]).Succeeded();
    }

    [Fact]
    public void A_name_that_is_no_devices_is_left_out_and_named()
    {
        string domain = NewDomain();
        string wrong = At($"domains/{Path.GetFileName(domain)}_");
        Assert.Null(Admin.Call("mkdir", wrong).Errno);
        Outcome ended = Cdi().Succeeded();
        Assert.Contains($"left out the domain '{Path.GetFileName(wrong)}'", ended.Error, StringComparison.Ordinal);
        string[] names = Names(ended.Output);
        Assert.Contains(Path.GetFileName(domain), names);
        Assert.DoesNotContain(Path.GetFileName(wrong), names);
    }

    [Fact]
    public void The_file_follows_the_domains_and_is_gone_when_there_is_none()
    {
        string domain = NewDomain();
        Cdi("--output", File).Succeeded();
        Assert.Contains(Path.GetFileName(domain), Names(Mount.Sandbox.Shell($"cat {File}")));
        Assert.Equal("644\n", Mount.Sandbox.Shell($"stat --format %a {File}"));
        foreach (string made in List(At("domains")))
        {
            Assert.Null(Admin.Call("rmdir", At($"domains/{made}")).Errno);
        }

        Cdi("--output", File).Succeeded();
        Assert.Equal("", Mount.Sandbox.Shell("ls --almost-all /run/cdi"));
        Outcome none = Cdi();
        Assert.Equal((1, ""), (none.ExitCode, none.Output));
        Assert.Contains("mkdir", none.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_user_who_may_not_list_the_domains_is_told_who_may()
    {
        NewDomain();
        Outcome ended = Mount.Sandbox.Run(
            User.Member, Mount.Sandbox.Program, "cdi", "--mount", Mount.Daemon.MountPoint);
        Assert.Equal((1, ""), (ended.ExitCode, ended.Output));
        Assert.Contains("Only root", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_left_as_it_was_and_named()
    {
        NewDomain();
        string folder = Mount.Sandbox.MakeRootsFolder("full");
        Mount.Sandbox.Shell(
            $"mount -t tmpfs -o size=4k,nr_inodes=2,mode=755 none {folder}; echo old >{folder}/tpmfs.json");
        Outcome ended = Cdi("--output", $"{folder}/tpmfs.json");
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains($"{folder}/tpmfs.json cannot be written: No space left", ended.Error, StringComparison.Ordinal);
        Assert.Equal("old\n", Mount.Sandbox.Shell($"cat {folder}/*; umount {folder}"));
    }

    [Fact]
    public void A_daemon_that_is_to_keep_the_file_names_a_domain_as_soon_as_it_is_made_and_as_long_as_it_is_there()
    {
        // A umask as the service's, which leaves the file to root unless somebody sees to it.
        const string Kept = "/run/cdi/kept.json";
        Sandbox sandbox = Mount.Sandbox;
        string configuration = Path.Combine(sandbox.MakeRootsFolder("kept"), "tpmfs.json");
        System.IO.File.WriteAllText(configuration, $"{{ \"cdi\": \"{Kept}\" }}");
        using var tpm = new SoftwareTpm(sandbox, "kept-tpm");
        using var daemon = Daemon.Through(
            sandbox, ["sh", "-c", "umask 077; exec \"$@\"", "sh"], tpm.Tcti, sandbox.MakeFolder("kept-mnt"),
            "--config", configuration);
        string name = $"kept{NewNumber()}";
        string domain = $"{daemon.MountPoint}/domains/{name}";
        Deadline.Poll(() => Ask($"mkdir {domain}").ExitCode == 0, "the daemon serves", () => daemon.Printed);
        Deadline.Poll(() => Ask($"grep -q '\"{name}\"' {Kept}").ExitCode == 0, "the domain is named");
        Assert.Equal("644\n", sandbox.Shell($"stat --format %a {Kept}"));

        string[] container = mount.ByRoot.Run("--device", $"{Kind}={name}");
        sandbox.Run(User.Root, [.. container, "sh", "-euc", Clients]).Succeeded();
        sandbox.Shell($"chown {ContainerMount.Tenant.Uid} {domain} {domain}/rm0");
        container = mount.ByTenant.Run("--device", $"{Kind}={name}");
        sandbox.Run(ContainerMount.Tenant, [.. container, "sh", "-euc", Clients]).Succeeded();

        sandbox.Shell($"rmdir {domain}");
        Deadline.Poll(() => Ask($"[ ! -e {Kept} ]").ExitCode == 0, "no domain is named");
        sandbox.Shell($"mkdir {domain}");
        Deadline.Poll(() => Ask($"grep -q '\"{name}\"' {Kept}").ExitCode == 0, "the domain is named again");
        daemon.Stop();
        Assert.NotEqual(0, Ask($"[ -e {Kept} ]").ExitCode);

        Outcome Ask(string script) => sandbox.Run(User.Root, "sh", "-c", script);
    }

    private static string[] Names(string specification)
    {
        using var parsed = JsonDocument.Parse(specification);
        return [.. parsed.RootElement.GetProperty("devices").EnumerateArray()
            .Select(device => device.GetProperty("name").GetString()!)];
    }

    private Outcome Cdi(params string[] words) => Mount.Sandbox.Run(
        User.Root, [Mount.Sandbox.Program, "cdi", .. words, "--mount", Mount.Daemon.MountPoint]);
}
