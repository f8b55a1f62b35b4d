using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// A virtual machine with a Debian of its own, systemd as its first process, a TPM that is a device (unit tpm.service),
/// and the source tree at /repository. See guest/prepare-debian.
/// </summary>
/// <param name="disk">
/// The file that holds what the guest writes, from one boot to the next: see <see cref="MakeDisk"/>.
/// </param>
internal sealed class DebianGuest(string disk, params string[] more) : Guest("/sbin/init", Prepare(), [
    "-drive", $"file={disk},format=raw,if=virtio,cache=unsafe",
    "-fsdev", $"local,id=repository,path={Repository},security_model=none,readonly=on,multidevs=remap",
    "-device", "virtio-9p-pci,fsdev=repository,mount_tag=repository", .. more])
{
    /// <summary>Enough to download and unpack some 120 packages.</summary>
    private static readonly TimeSpan s_preparationLimit = TimeSpan.FromMinutes(20);

    /// <summary>Of the guest's time: for what takes seconds when all is emulated.</summary>
    private static readonly TimeSpan s_awaitLimit = TimeSpan.FromSeconds(180);

    private const string Evidence =
        "systemctl --no-pager status tpmfs.service tpmfs.target; journalctl --boot --no-pager --lines=40 _PID=1 + "
            + "_COMM=tpmfs";

    /// <summary>The path in the guest of a file of the source tree.</summary>
    public static string PathOf(string file) => $"/repository/{Path.GetRelativePath(Repository, file)}";

    public static void MakeDisk(string path)
    {
        using (FileStream file = File.Create(path))
        {
            file.SetLength(2L << 30);
        }

        using var format = new ChildProcess(["mkfs.ext4", "-q", path]);
        format.Wait().Succeeded();
    }

    /// <summary>The standard output of a script that succeeds, without spaces around it.</summary>
    public string Ask(string script) => Run(script).Succeeded().Output.Trim();

    /// <summary>
    /// Waits until the service is active with another process than before, to which it comes by itself.
    /// </summary>
    public void AwaitNewDaemon(string before) =>
        Await(
            $"systemctl --quiet is-active tpmfs.service && "
            + $"[ $(systemctl show --value --property=MainPID tpmfs.service) != {before} ]");

    /// <summary>
    /// Asks again and again until a script succeeds; a failure has the log of the guest's last minutes.
    /// </summary>
    public void Await(string script)
    {
        try
        {
            // Not again and again from here: the guest has one processor, which what is waited for needs too.
            Run($"until {{ {script}; }} >/dev/null 2>&1; do sleep 0.1; done", s_awaitLimit).Succeeded();
        }
        catch (TimeoutException problem)
        {
            throw new TimeoutException($"{problem.Message}\n{Run(Evidence).Output}");
        }
    }

    /// <summary>One property of a unit, tpmfs.service unless said otherwise.</summary>
    public string Show(string property, string unit = "tpmfs.service") =>
        Ask($"systemctl show --value --property={property} {unit}");

    /// <summary>
    /// Waits until the service is in a state, such as "active" or "inactive", that it comes to by itself.
    /// </summary>
    public void AwaitService(string state) => Await($"[ \"$(systemctl is-active tpmfs.service)\" = {state} ]");

    /// <summary>
    /// What the service and its target have logged since a moment of <see cref="Now"/>, one message a line.
    /// </summary>
    /// <param name="options">More options of journalctl, such as --priority=warning.</param>
    public string Log(string since, string options = "") =>
        Ask($"journalctl --sync; journalctl --quiet --no-pager --output=cat --since={since} --unit=tpmfs.* {options}");

    /// <summary>
    /// A moment as journalctl takes it. Not a cursor: with a match, what follows a cursor lacks the first that matches.
    /// </summary>
    public string Now() => Ask("date +@%s.%6N");

    /// <summary>Runs a command as a user.</summary>
    public Outcome RunAs(string user, string command) => Run($"runuser --user {user} -- {command}");

    public void PowerOff()
    {
        Run("systemctl --no-block poweroff").Succeeded();
        WaitForEnd();
    }

    /// <summary>Makes the Debian where it is missing.</summary>
    /// <returns>Its folder.</returns>
    public static string Prepare()
    {
        using var preparation = new ChildProcess([Path.Combine(Scripts, "guest", "prepare-debian")]);
        return preparation.Wait(s_preparationLimit).Succeeded().Output.Trim();
    }
}
