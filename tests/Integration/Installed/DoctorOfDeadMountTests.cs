using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Installed;

/// <summary>'tpmfs doctor' where no daemon serves: none was started, it was stopped, or it was killed.</summary>
public sealed class DoctorOfDeadMountTests : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private readonly string _mountPoint;

    public DoctorOfDeadMountTests() => _mountPoint = _sandbox.MakeFolder("mnt");

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void Where_nothing_is_mounted_and_no_TPM_configured_it_says_both() =>
        Assert.Matches(
            $"(?m)^WRONG  mount +no TPM is mounted at {_mountPoint}, and the configuration names no TPM. Do: ",
            Fails(Doctor()));

    [Fact]
    public void A_device_that_is_missing_or_held_is_found_with_who_holds_it()
    {
        string device = _sandbox.PathOf("tpm0");
        string file = Path.Combine(_sandbox.MakeRootsFolder("configuration"), "tpmfs.json");
        File.WriteAllText(file, $$"""{ "tpm": "device:{{device}}" }""");
        Assert.Matches(
            $"(?m)^WRONG  tpm +there is no {device}. Do: ls /dev/tpm.*\"tpm\": \"embedded\"",
            Fails(Doctor("--config", file)));

        File.WriteAllText(device, "");
        using var holder = new Agent(_sandbox);
        holder.Open(device);
        Assert.Matches(
            $@"(?m)^WRONG  tpm +{device} is in use by process {holder.Id} \(python3\).*Do: stop that program",
            Fails(Doctor("--config", file)));
    }

    [Fact]
    public void A_daemon_that_does_not_answer_is_not_waited_for()
    {
        using var tpm = new SoftwareTpm(_sandbox, "tpm");
        using var daemon = new Daemon(_sandbox, tpm.Tcti, _mountPoint);
        daemon.Send(Signals.Stop);
        Assert.Matches(
            $"(?m)^WRONG  mount +the daemon at {_mountPoint} does not answer.* Do: .*kill -CONT", Fails(Doctor()));
        daemon.Send(Signals.Continue);
        daemon.Stop();
    }

    [Fact]
    public void A_mount_whose_daemon_was_killed_is_found_with_how_to_clean_it()
    {
        using var tpm = new SoftwareTpm(_sandbox, "tpm");
        using (var daemon = new Daemon(_sandbox, tpm.Tcti, _mountPoint))
        {
            daemon.Send(Signals.Kill);
            daemon.Wait();
        }

        Assert.Matches(
            $"(?m)^WRONG  mount +nobody serves {_mountPoint} any more.*umount --lazy {_mountPoint}", Fails(Doctor()));
        foreach (string command in (string[])["status", "openers", "top"])
        {
            Outcome ended = _sandbox.Run(User.Root, _sandbox.Program, command, "--mount", _mountPoint);
            Assert.Equal((1, ""), (ended.ExitCode, ended.Output));
            Assert.Matches(
                $"^tpmfs: nobody serves {_mountPoint} any more.*umount --lazy {_mountPoint}$", ended.Error.TrimEnd());
        }

        _sandbox.Shell($"umount --lazy {_mountPoint}");
    }

    [Fact]
    public void Without_the_device_of_FUSE_it_says_what_to_load()
    {
        _sandbox.Shell("""
            mkdir -p "$PWD"/dev
            mount -t tmpfs none "$PWD"/dev
            for name in null zero urandom; do touch "$PWD"/dev/$name; mount --bind /dev/$name "$PWD"/dev/$name; done
            mount --rbind "$PWD"/dev /dev
            """);
        Assert.Matches("(?m)^WRONG  fuse +/dev/fuse is missing.* Do: modprobe fuse", Fails(Doctor()));
    }

    private static string Fails(Outcome ended)
    {
        Assert.Equal((1, ""), (ended.ExitCode, ended.Error));
        return ended.Output;
    }

    private Outcome Doctor(params string[] more) =>
        _sandbox.Run(User.Root, [_sandbox.Program, "doctor", "--mount", _mountPoint, .. more]);
}
