using System.Globalization;
using System.Text;
using Serilog;
using TpmFs.Clients;
using TpmFs.Logs;
using TpmFs.Policy;

namespace TpmFs.Permissions;

/// <summary>
/// Logs who changed something in the tree, and with what result: each grant, limit, list of commands, reset and order
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

    /// <summary>Gets the audit of changes by a reset (<see cref="Reset"/>).</summary>
    public Audit OfReset => new(_log, $"a reset by {_by}");

    /// <summary>Returns the audit of a caller's changes by the tree's files.</summary>
    public static Audit Of(in Caller caller, ILogger log)
    {
        (uint pid, string command) = ProcessName.OfThread(caller.Pid);
        return new Audit(
            log.ForContext("Uid", caller.Uid).ForContext("Pid", pid).ForContext("Command", command),
            $"process {pid} ({command}) of user {caller.Uid}");
    }

    /// <summary>
    /// Returns the audit of changes that follow from the configuration, and from the system's users and groups that it
    /// names.
    /// </summary>
    public static Audit OfConfiguration(ILogger log) => new(log, "the configuration");

    /// <summary>Records an order that was written to a control file.</summary>
    public void Ordered(string file, ReadOnlySpan<byte> order, Errno result) =>
        Write(
            _log.Of(EventType.Ordered), file,
            $"'{OutsideText.Line(Cut(Encoding.Latin1.GetString(order).TrimEnd('\n')))}' written", result);

    /// <summary>Records a change by chmod, chown, setfacl or the like of the users who may use a node.</summary>
    public void AccessChanged(string place, Access access, Errno result) =>
        Write(
            _log.Of(EventType.AccessChanged), place,
            result.IsError ? "access was to be changed" : $"access is now {Cut(Show(access))}", result);

    /// <summary>Records that limits of a domain have changed, though no user wrote to their files.</summary>
    public void LimitsChanged(string domain, LimitsChange change)
    {
        if (change.ToString() is { Length: > 0 } what)
        {
            Write(_log.Of(EventType.LimitsChanged), domain, Cut(what), Errno.None);
        }
    }

    /// <summary>Records that the changes made at run time to a place, and below it, are dropped.</summary>
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
        typed.ForContext(LogShares.DomainProperty, DomainOf(place)).Information(
        "{Node}: {Change} by {By}: {Result}",
        place.Length == 0 ? "/" : OutsideText.Line(place),
        change,
        _by,
        result.IsError ? result.Text() : "done");

    /// <summary>Returns the name that people use for the domain that a place of the tree is in.</summary>
    private static string DomainOf(string place) =>
        place.Split('/') is ["users" or "domains", { Length: > 0 } name, ..]
            ? OutsideText.Line($"{place.AsSpan(0, place.IndexOf('/'))}/{name}") : Root;

    /// <summary>
    /// Cuts text that is too long, and marks the cut with a sign that is not in Latin-1, so that a user cannot forge
    /// it.
    /// </summary>
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
