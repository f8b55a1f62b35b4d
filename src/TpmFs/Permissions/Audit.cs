using System.Globalization;
using System.Text;
using Serilog;
using TpmFs.Clients;
using TpmFs.Logs;
using TpmFs.Policy;

namespace TpmFs.Permissions;

/// <summary>
/// Logs which user changed what in the tree, and with what result: each grant, limit, list of commands, reset and order
/// to an opener, whether the daemon took or refused it. A change that the kernel refuses by a node's permissions does
/// not get here. Any thread; never waits.
/// </summary>
internal sealed class Audit
{
    private const int MaxShown = 256;
    private const string Root = "root";

    private readonly ILogger _log;
    private readonly string _by;

    private Audit(ILogger log, string by) => (_log, _by) = (log, by);

    /// <summary>Gets an audit that records nothing, for a tree that is set up.</summary>
    public static Audit None { get; } = new(Serilog.Core.Logger.None, "");

    /// <summary>Gets the audit of what a reset (<see cref="Reset"/>) changes.</summary>
    public Audit OfReset => new(_log, $"a reset by {_by}");

    /// <summary>Returns the audit of what a caller does by the tree's files.</summary>
    public static Audit Of(in Caller caller, ILogger log)
    {
        (uint pid, string command) = ProcessName.OfThread(caller.Pid);
        return new Audit(
            log.ForContext("Uid", caller.Uid).ForContext("Pid", pid).ForContext("Command", command),
            $"process {pid} ({command}) of user {caller.Uid}");
    }

    /// <summary>
    /// Returns the audit of what follows from the configuration, and from the system's users and groups that it names.
    /// </summary>
    public static Audit OfConfiguration(ILogger log) => new(log, "the configuration");

    /// <summary>Records an order that was written to a control file.</summary>
    public void Ordered(string file, ReadOnlySpan<byte> order, Errno result) =>
        Write(
            _log.Of(EventType.Ordered), file,
            $"'{OutsideText.Line(Cut(Encoding.Latin1.GetString(order).TrimEnd('\n')))}' written", result);

    /// <summary>Records chmod, chown, setfacl, or what else changes who may use a node.</summary>
    public void AccessChanged(string place, Access access, Errno result) =>
        Write(
            _log.Of(EventType.AccessChanged), place,
            result.IsError ? "access was to be changed" : $"access is now {Show(access)}", result);

    /// <summary>Records that limits of a domain are others now, though nobody wrote to their files.</summary>
    public void LimitsChanged(string domain, LimitsChange change)
    {
        if (change.ToString() is { Length: > 0 } what)
        {
            Write(_log.Of(EventType.LimitsChanged), domain, Cut(what), Errno.None);
        }
    }

    /// <summary>Records that what was changed at run time of a place, and below it, is dropped.</summary>
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

    /// <summary>Returns the name that people use for the domain that a place of the tree is in.</summary>
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
