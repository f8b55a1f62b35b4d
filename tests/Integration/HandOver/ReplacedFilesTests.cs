using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// An upgrade replaces the program's files before the daemon that runs hands over. Until then the daemon does all that
/// it ever did: it used to open the file of an assembly when a request first needed it.
/// </summary>
public sealed class ReplacedFilesTests : KeptServiceTests
{
    private const int Hangup = 1;

    [Fact]
    public void A_daemon_whose_files_are_replaced_serves_on_and_hands_over_to_the_new_ones()
    {
        string installed = Path.GetDirectoryName(Sandbox.Program)!;
        string folder = Path.Combine(Sandbox.MakeRootsFolder("program"), "tpmfs");
        Install();
        KeptService service = Own(new KeptService(
            Sandbox, $"swtpm:path={Proxy.Socket}", Sandbox.MakeFolder("mnt"), program: Path.Combine(folder, "tpmfs")));
        Opener opener = Open(service.Node);
        Sandbox.Shell(
            $"""
            cd {folder}
            for file in *.dll *.so *.json; do
                [ ! -e "$file" ] || (echo 'not what it was' >"$file.new" && mv "$file.new" "$file")
            done
            """);

        opener.Transact(Tpm2.CreatePrimary()).Succeeded();
        Sandbox.Shell(
            $"""
            cd {service.MountPoint}
            mkdir domains/late
            cat status metrics stat openers domains/late/stat domains/late/openers >/dev/null
            setfacl -m u:1:rw rm0
            getfacl rm0
            echo @admin >domains/late/commands.deny
            echo 5 >domains/late/objects.max
            rmdir domains/late
            """);
        service.Send(Hangup);
        service.Send(Signals.User2);
        service.AwaitPrinted("tpmfs does not hand over, and goes on");
        service.AwaitPrinted("tpmfs.json is reloaded");
        Assert.DoesNotContain("Exception", service.Printed, StringComparison.Ordinal);

        Install();
        service.Send(Signals.User2);
        service.AwaitPrinted("is taken over from the daemon before");
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();

        // Otherwise the runtime makes files in /tmp first, whose lock any user can hold for ever.
        Assert.Contains(
            "DOTNET_EnableDiagnostics=0", File.ReadAllText($"/proc/{service.Id}/environ").Split('\0'));

        void Install() => Sandbox.Shell(
            $$"""
            mkdir -p {{folder}}
            cd {{installed}}
            find . -maxdepth 1 -type f -exec cp --remove-destination -t {{folder}} {} +
            [ ! -e runtimes ] || cp -rT runtimes {{folder}}/runtimes
            """);
    }
}
