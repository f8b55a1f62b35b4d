using System.Globalization;
using System.Text;
using Serilog;
using TpmFs.Fuse;
using TpmFs.Nodes;
using TpmFs.Policy;

namespace TpmFs.Logs;

/// <summary>
/// Who changed what in the tree, and with what result: each grant, limit, list of commands, reset and order to an
/// opener, whether it was taken or refused. What the kernel refuses by a node's permissions does not get here. Any
/// thread; never waits.
/// </summary>
internal sealed class Audit
{
    private const int MaxShown = 256;
    private const string Root = "root";

    private readonly ILogger _log;
    private readonly string _by;

    private Audit(ILogger log, string by) => (_log, _by) = (log, by);

    /// <summary>For what changes nothing: a tree that is set up.</summary>
    public static Audit None { get; } = new(Serilog.Core.Logger.None, "");

    /// <summary>What the reset of <see cref="Reset"/> changes.</summary>
    public Audit OfReset => new(_log, $"a reset by {_by}");

    /// <summary>What somebody does by the tree's files.</summary>
    public static Audit Of(in FuseCaller caller, ILogger log)
    {
        (uint pid, string command) = ProcessName.OfThread(caller.Pid);
        return new Audit(
            log.ForContext("Uid", caller.Uid).ForContext("Pid", pid).ForContext("Command", command),
            $"process {pid} ({command}) of user {caller.Uid}");
    }

    /// <summary>What follows from the configuration, and from the system's users and groups that it names.</summary>
    public static Audit OfConfiguration(ILogger log) => new(log, "the configuration");

    /// <summary>An order was written to a control file.</summary>
    public void Ordered(Node file, ReadOnlySpan<byte> order, Errno result) =>
        Write(
            _log.Of(EventType.Ordered), file.Place,
            $"'{OutsideText.Line(Cut(Encoding.Latin1.GetString(order).TrimEnd('\n')))}' written", result);

    /// <summary>chmod, chown, setfacl, or what else changes who may use a node.</summary>
    public void AccessChanged(Node node, Errno result) =>
        Write(
            _log.Of(EventType.AccessChanged), node.Place,
            result.IsError ? "access was to be changed" : $"access is now {Show(node.Access)}", result);

    /// <summary>Limits of a domain are others now, though nobody wrote to their files.</summary>
    public void LimitsChanged(string domain, LimitsChange change)
    {
        if (change.ToString() is { Length: > 0 } what)
        {
            Write(_log.Of(EventType.LimitsChanged), domain, Cut(what), Errno.None);
        }
    }

    /// <summary>What was changed at run time of a place, and of what is below it, is dropped.</summary>
    public void Reset(string place, Errno result)
    {
        string what = place.Length == 0 ? "every change at run time"
            : "every change at run time to it and to what is below it";
        Write(_log.Of(EventType.Reset), Cut(place), $"{what} {(result.IsError ? "was to be" : "is")} dropped", result);
    }

    public void Made(string place, string how = "made", Errno result = default) =>
        Write(_log.Of(EventType.DomainMade), place, how, result);

    public void Removed(string place, string how = "removed", Errno result = default) =>
        Write(_log.Of(EventType.DomainRemoved), place, how, result);

    private void Write(ILogger typed, string place, string change, Errno result) =>
        typed.ForContext("Domain", DomainOf(place)).Information(
        "{Node}: {Change} by {By}: {Result}",
        place.Length == 0 ? "/" : OutsideText.Line(place),
        change,
        _by,
        result.IsError ? result.Text() : "done");

    /// <summary>What a person calls the domain that a place of the tree is in.</summary>
    private static string DomainOf(string place) =>
        place.Split('/') is ["users" or "domains", { Length: > 0 } name, ..]
            ? OutsideText.Line($"{place.AsSpan(0, place.IndexOf('/'))}/{name}") : Root;

    /// <summary>Cuts what is too long, and says so. Nobody can forge that: the sign is none of Latin-1.</summary>
    private static string Cut(string text) => OutsideText.Cut(text, MaxShown);

    private static string Show(Access access)
    {
        string mode = Convert.ToString(access.Mode, 8).PadLeft(4, '0');
        string entries = access.Acl is { } acl
            ? string.Concat(
                acl.Named.Select(
                    entry => string.Create(
                        CultureInfo.InvariantCulture,
                        $" {(entry.Kind == AclKind.User ? "u" : "g")}:{entry.Id}:{entry.Permissions}")))
            : "";
        return string.Create(CultureInfo.InvariantCulture, $"{mode} {access.Uid}:{access.Gid}{entries}");
    }
}
