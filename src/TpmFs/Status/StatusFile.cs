using System.Globalization;
using System.Text;
using TpmFs.Controls;
using TpmFs.Nodes;

namespace TpmFs.Status;

/// <summary>status: the daemon at a glance, for people.</summary>
internal sealed class StatusFile(NodeTable table, Access root, DaemonStatus status) : ControlFile(table, Shown, root)
{
    private static readonly string[] Headings = ["domain", "openers", "objects", "sessions", "weight", "commands", "per cmd", "busy", "waited", "denied", "auth fail"];

    public override string Content()
    {
        var (tpm, domains) = (status.Description, status.Domains);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"TPM 0      {status.Tpm}{(status.IsTpmThere ? "" : "   NOT THERE; it is tried again and again")}\n");
        text.Append(CultureInfo.InvariantCulture, $"           {tpm.Manufacturer} {tpm.Model}, firmware {tpm.Firmware}, TPM 2.0 revision {tpm.Revision / 100}.{tpm.Revision % 100:00}\n");
        text.Append(CultureInfo.InvariantCulture, $"up         {Span(status.Uptime)}\n");
        var lockouts = domains.Sum(domain => domain.Statistics.Lockouts);
        if (lockouts > 0)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"LOCKOUT    {lockouts} commands were refused because too many authorizations failed; see 'auth fail' below, and tpm2_dictionarylockout(1)\n");
        }

        text.Append('\n');
        var rows = domains.Select(domain => Row(domain.Domain.Name, domain.Domain.Limits.Weight!.Value, domain.Statistics)).Prepend(Headings).ToArray();
        var widths = Headings.Select((_, column) => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
        {
            text.Append(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd()).Append('\n');
        }

        return text.ToString();
    }

    private static string[] Row(string name, int weight, Domains.DomainStatistics of) =>
    [
        name, Number(of.Openers), Number(of.Objects), Number(of.Sessions), Number(weight), Number(of.Commands),
        of.Commands == 0 ? "-" : ((double)of.TpmCommands / of.Commands).ToString("0.00", CultureInfo.InvariantCulture),
        Span(TimeSpan.FromMicroseconds(of.BusyMicroseconds)), Span(TimeSpan.FromMicroseconds(of.QueueMicroseconds)), Number(of.Denied), Number(of.AuthFailures),
    ];

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Span(TimeSpan time) => time switch
    {
        { TotalSeconds: < 10 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        { TotalMinutes: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        { TotalHours: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min"),
        { TotalDays: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0} d"),
    };
}
