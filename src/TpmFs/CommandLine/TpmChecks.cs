using System.Globalization;
using System.Text.RegularExpressions;
using Mono.Unix.Native;
using TpmFs.Tpm;
using Errno = TpmFs.Os.Errno;

namespace TpmFs.CommandLine;

/// <summary>
/// Checks, for 'tpmfs doctor', the TPMs that a daemon serves: whether they and their devices are there, whether this
/// user may use them, and whether they answer commands.
/// </summary>
internal sealed partial class TpmChecks(MountedTree tree)
{
    private const string HowToWake =
        "wait if the command makes a key ('tpmfs openers' shows the program that sent it, unless that has gone); "
            + "otherwise read 'A TPM that hangs' in troubleshooting.md (installed: /usr/share/doc/tpmfs)";

    /// <summary>Gets the name of the user who runs this program.</summary>
    private static string User => OutsideText.Line(Environment.UserName is { Length: > 0 } name ? name : "USER");

    public IEnumerable<Finding> Look()
    {
        if (!tree.TryRead("status", out string status, out string problem))
        {
            yield return Finding.Wrong(
                "status", problem, "run tpmfs doctor again: a daemon that is stopping has no status");
            yield break;
        }

        foreach (Finding raw in RawOpeners())
        {
            yield return raw;
        }

        bool isSuspended = Suspended().IsMatch(status);
        if (isSuspended)
        {
            yield return Finding.Wrong(
                "power", "commands are put off until the resume, with 0x922 (TPM_RC_RETRY): the machine is about to "
                    + "sleep, or nobody has said that it is awake",
                "nothing, if the machine is about to sleep; otherwise, as root: tpmfs resume");
        }

        foreach (Match device in MissingDevice().Matches(status))
        {
            yield return Finding.Wrong(
                "device", device.Groups[1].Value,
                "mend that; then, as root: systemctl reload tpmfs, or send the daemon SIGHUP");
        }

        foreach (Match tpm in StatusOfTpm().Matches(status))
        {
            int number = int.Parse(tpm.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            bool isSilent = tpm.Groups[4].Success;
            if (isSilent)
            {
                yield return Finding.Wrong($"TPM {number}", tpm.Groups[4].Value, HowToWake);
            }

            bool asks = !isSuspended && !isSilent;
            foreach (Finding finding in Look(number, tpm.Groups[2].Value, tpm.Groups[3].Value, asks))
            {
                yield return finding;
            }
        }
    }

    /// <param name="asks">True when the TPM is to be asked a command.</param>
    private IEnumerable<Finding> Look(int number, string way, string says, bool asks)
    {
        string subject = $"TPM {number}";
        if (says.StartsWith("NOT THERE", StringComparison.Ordinal))
        {
            yield return Finding.Wrong(
                subject, $"{way} is {says}", "see what the kernel says: journalctl -k -g tpm");
            yield break;
        }

        if (says.StartsWith("TPM 1.2", StringComparison.Ordinal))
        {
            yield return Finding.Note(subject, $"{way} is a {says}", $"as root, use raw{number}");
            yield break;
        }

        Finding opened = Open(number, subject, out string? node);
        yield return opened;
        if (node is not null && asks)
        {
            foreach (Finding finding in Ask(node, subject))
            {
                yield return finding;
            }
        }
    }

    /// <summary>Looks which node of a TPM this user may open: everybody's, or the user's own.</summary>
    private Finding Open(int number, string subject, out string? node)
    {
        string shared = Path.Combine(tree.Path, $"rm{number}");
        string own = Path.Combine(tree.Path, "self", $"rm{number}");
        Errno error = TpmProperties.TryOpen(node = shared);
        if (error == Errno.EACCES && !TpmProperties.TryOpen(own).IsError)
        {
            node = own;
            error = Errno.None;
        }

        if (!error.IsError)
        {
            return Finding.Fine(subject, $"you may use {node}");
        }

        node = null;
        return Finding.Wrong(subject, $"you may not use {shared}: {error.Text()}", error switch
        {
            _ when error == Errno.EACCES => $"as root: {HowToJoin(shared)}setfacl -m u:{User}:rw {shared}",
            _ when error == Errno.ENFILE => "'tpmfs openers' shows which programs have it open. To raise the limit, as "
                + $"root: echo NUMBER >{Path.Combine(tree.Path, "openers.max")}",
            _ when error == Errno.EROFS =>
                "your service has ProtectSystem=strict; add ReadWritePaths=/run/tpmfs to its unit",
            _ => "open the node again. A container needs a new bind mount",
        });
    }

    /// <summary>Returns how a user gets into a node's group; empty where the group is root's.</summary>
    private static string HowToJoin(string node) =>
        Syscall.stat(node, out Stat status) != 0 || status.st_gid == 0 ? ""
        : $"usermod --append --groups {Syscall.getgrgid(status.st_gid)?.gr_name ?? $"{status.st_gid}"} {User} (the "
            + $"group of {Path.GetFileName(node)}), then {User} logs out and in again; or ";

    /// <summary>Asks a TPM what it says of itself.</summary>
    private static IEnumerable<Finding> Ask(string node, string subject)
    {
        if (!TpmProperties.TryRead(node, out TpmProperties? properties, out string problem))
        {
            yield return Finding.Wrong(subject, $"it answers no command: {problem}", HowToWake);
            yield break;
        }

        if (properties.IsLockedOut)
        {
            yield return Finding.Wrong(
                subject,
                $"it is locked out, since {properties[TpmPt.LockoutCounter]} authorizations failed: commands with keys "
                    + "that are protected against guessing get 0x921",
                "tpm2_dictionarylockout --clear-lockout, or wait: the TPM forgets one failure every "
                    + $"{properties[TpmPt.LockoutInterval]} s. 'auth_failures' in each domain's stat counts the "
                    + "failures of that domain");
        }

        if (properties.DisabledHierarchies is { Length: > 0 } disabled)
        {
            yield return Finding.Wrong(
                subject, $"the {disabled} hierarchy is switched off: commands with its keys get 0x085 or 0x185",
                "restart the machine, which switches the hierarchy on. If a virtual machine uses rm0, its firmware may "
                    + "have switched the hierarchy off: give that machine the node of a domain");
        }

        yield return Finding.Fine(subject, "it answers");
    }

    private IEnumerable<Finding> RawOpeners() =>
        tree.Openers().Where(opener => opener["node"].Contains("raw", StringComparison.Ordinal)).Select(
            opener => Finding.Note(
                "raw",
                $"process {opener["pid"]} ({opener["command"]}) of user {opener["uid"]} has {opener["node"]} open; "
                    + "until it closes the node, nobody else can open a raw node of that TPM",
                $"nothing, if that is intended; otherwise: tpmfs revoke {opener.Id}"));

    [GeneratedRegex(@"^TPM (\d+) +(.*)\n +(.*)(?:\n +(NO ANSWER.*))?$", RegexOptions.Multiline)]
    private static partial Regex StatusOfTpm();

    [GeneratedRegex("^device +NOT THERE: (.*)$", RegexOptions.Multiline)]
    private static partial Regex MissingDevice();

    [GeneratedRegex("^power +SUSPENDED", RegexOptions.Multiline)]
    private static partial Regex Suspended();
}
