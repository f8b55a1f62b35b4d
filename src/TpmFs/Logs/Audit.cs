using System.Globalization;
using System.Text;
using Serilog;
using TpmFs.Fuse;
using TpmFs.Nodes;
using TpmFs.Openers;
using TpmFs.Tpm;

namespace TpmFs.Logs;

/// <summary>
/// Who changed what in the tree, and with what result: each grant, limit, list of commands and order to an opener, whether it was taken or
/// refused. What the kernel refuses by a node's permissions does not get here. Any thread; never waits.
/// </summary>
internal sealed class Audit(ILogger log)
{
    private const int MaxShown = 256;

    /// <summary>Somebody wrote an order to a control file.</summary>
    public void Ordered(in FuseCaller caller, Node file, ReadOnlySpan<byte> order, Errno result)
    {
        var text = Encoding.Latin1.GetString(order[..Math.Min(order.Length, MaxShown)]).TrimEnd('\n');
        Write(log.Of(EventType.Ordered), caller, file.Place, $"'{PlainText.Escape(text)}' written", result);
    }

    /// <summary>chmod, chown, setfacl, or what else changes who may use a node.</summary>
    public void AccessChanged(in FuseCaller caller, Node node, Errno result) =>
        Write(log.Of(EventType.AccessChanged), caller, node.Place, result.IsError ? "access to be changed" : $"access is now {Show(node.Access)}", result);

    public void Made(in FuseCaller caller, Node parent, ReadOnlySpan<byte> name, Errno result) =>
        Write(log.Of(EventType.DomainMade), caller, parent.PlaceOf(Printable(name)), "mkdir", result);

    public void Removed(in FuseCaller caller, Node parent, ReadOnlySpan<byte> name, Errno result) =>
        Write(log.Of(EventType.DomainRemoved), caller, parent.PlaceOf(Printable(name)), "rmdir", result);

    /// <summary>A domain's policy refused an opener's command.</summary>
    public static void Denied(ILogger log, OpenerIdentity who, TpmCc command)
    {
        var answer = command == TpmCc.Startup ? TpmRc.Initialize : TpmRc.CommandCode.FromResourceManager;
        log.Of(EventType.CommandDenied).Warning(
            "{Node}: the policy of {Domain} refuses {CommandCode} to opener {Opener}, process {Pid} ({Command}) of user {Uid}, with {ResponseCode}",
            who.Path,
            who.Domain.Length == 0 ? "root" : who.Domain,
            command.ToName(),
            who.Id,
            who.Pid,
            who.Command,
            who.Uid,
            $"0x{answer.Value:X8}");
    }

    private static void Write(ILogger log, in FuseCaller caller, string node, string change, Errno result)
    {
        var (pid, command) = OpenerIdentity.FindProcess(caller.Pid);
        log.Information(
            "{Node}: {Change} by process {Pid} ({Command}) of user {Uid}: {Result}",
            node,
            change,
            pid,
            command,
            caller.Uid,
            result.IsError ? Mono.Unix.Native.Stdlib.strerror((Mono.Unix.Native.Errno)result.Value) : "done");
    }

    private static string Printable(ReadOnlySpan<byte> name) => PlainText.Escape(Encoding.Latin1.GetString(name));

    private static string Show(Access access)
    {
        var mode = Convert.ToString(access.Mode, 8).PadLeft(4, '0');
        var entries = access.Acl is { } acl
            ? string.Concat(acl.Named.Select(entry => string.Create(CultureInfo.InvariantCulture, $" {(entry.Kind == AclKind.User ? "u" : "g")}:{entry.Id}:{entry.Permissions}")))
            : "";
        return string.Create(CultureInfo.InvariantCulture, $"{mode} {access.Uid}:{access.Gid}{entries}");
    }
}
