using System.Globalization;
using System.Text;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Logs;
using TpmFs.Rm;
using TpmFs.Tpm;
using TpmFs.Tree.Controls;

namespace TpmFs.Tree.Status;

/// <summary>status: the daemon at a glance, for people.</summary>
internal sealed class StatusFile(NodeTable table, ControlContext context, DaemonStatus status)
    : ControlFile(table, Shown, context)
{
    /// <summary>The heads of the columns, short, so that the table fits a terminal of 80 columns.</summary>
    private static readonly string[] s_headings =
        ["open", "obj", "sess", "cmds", "per cmd", "busy", "waited", "denied", "auth fail"];

    /// <summary>How long a TPM may be silent before the file says so. Most commands end sooner.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(5);

    public override string Content()
    {
        (IReadOnlyList<TpmStatus>? tpms, IReadOnlyList<Domain>? domains) = (status.Tpms, status.Domains);
        var text = new StringBuilder();
        foreach (TpmStatus tpm in tpms)
        {
            text.Append(CultureInfo.InvariantCulture, $"{$"TPM {tpm.Number}",-11}{OutsideText.Line(tpm.Way)}\n");
            text.Append(CultureInfo.InvariantCulture, $"           {OutsideText.Line(Describe(tpm))}\n");
            if (tpm is { Problem.Length: 0, Unanswered: { } silent } && silent.Waited >= s_silence)
            {
                string command = silent.Code?.ToName() ?? "a command of the daemon before this one";
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"           NO ANSWER for {silent.Waited.TotalSeconds:0} s, to {command}\n");
            }
        }

        string told = "";
        foreach ((string path, string node, string problem) in status.Devices)
        {
            string reason = problem == told ? "for the same reason" : problem;
            told = problem;
            string what = problem.Length == 0 ? $"{path} is {node}" : $"NOT THERE: {path} ({node}): {reason}";
            text.Append(CultureInfo.InvariantCulture, $"device     {OutsideText.Line(what)}\n");
        }

        if (status.IsSuspended)
        {
            text.Append("power      SUSPENDED: commands get 0x922 (TPM_RC_RETRY). They go on after: tpmfs resume\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"up         {Span(status.Uptime)}\n");
        if (status.Takeovers > 0)
        {
            string times = status.Takeovers == 1 ? "once since the mount"
                : $"{Quantity.Of(status.Takeovers, "time")} since the mount; the last time";
            text.Append(CultureInfo.InvariantCulture, $"taken over {times}: {status.TakenOver}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"scheduling {status.Scheduling}\n");
        if (status.Bus is { } bus)
        {
            text.Append(CultureInfo.InvariantCulture, $"D-Bus      {OutsideText.Line(bus)}\n");
        }

        long lockouts = domains.Sum(domain => DomainStatistics.Of(domain).Lockouts);
        if (lockouts > 0)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"LOCKOUT    {lockouts} commands were refused because too many authorizations failed; see 'auth fail' "
                + $"below, and tpm2_dictionarylockout(1)\n");
        }

        text.Append('\n');
        AppendTable(text, tpms, domains);
        return text.ToString();
    }

    private static void AppendTable(StringBuilder text, IReadOnlyList<TpmStatus> tpms, IReadOnlyList<Domain> domains)
    {
        int names = tpms.Count == 1 ? 1 : 2; // leading columns of text
        string[] headings = ["domain", .. tpms.Count == 1 ? Array.Empty<string>() : ["TPM"], .. s_headings];
        string[][] rows = [headings,
            .. domains.SelectMany(domain => tpms.Select(tpm => Row(domain, tpm.Number, tpms.Count == 1)))];
        int[] widths = headings.Select((_, column) => rows.Max(row => row[column].Length)).ToArray();
        foreach (string[] row in rows)
        {
            text.Append(
                string.Join(
                    "  ",
                    row.Select(
                        (cell,
                            column) => column < names ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column])))
                            .TrimEnd()).Append('\n');
        }
    }

    private static string Describe(TpmStatus tpm) =>
        (tpm.Problem.Length > 0 ? $"NOT THERE; tpmfs tries it again and again: {tpm.Problem}" : "") + (tpm.Facts switch
        {
            { Family: TpmFamily.Tpm12 } =>
                $"{(tpm.Problem.Length > 0 ? "; " : "")}TPM 1.2, which tpmfs cannot manage: "
                    + $"there is no rm{tpm.Number}, and raw{tpm.Number} is the TPM itself",
            { Description: { } says } when tpm.Problem.Length == 0 =>
                $"{OneBlank($"{says.Manufacturer} {says.Model}")}, firmware {says.Firmware}, TPM 2.0 revision "
                    + $"{says.Revision / 100}.{says.Revision % 100:00}",
            _ => "",
        });

    private static string[] Row(Domain domain, int tpm, bool isOnly)
    {
        var of = DomainStatistics.Of(domain, tpm);
        return
        [
            domain.Name, .. isOnly ? Array.Empty<string>() : [Number(tpm)],
            Number(of.Openers), Number(of.Objects), Number(of.Sessions), Number(of.Commands),
            of.Commands == 0
                ? "-" : ((double)of.TpmCommands / of.Commands).ToString("0.00", CultureInfo.InvariantCulture),
            Span(TimeSpan.FromMicroseconds(of.BusyMicroseconds)), Span(TimeSpan.FromMicroseconds(of.QueueMicroseconds)),
            Number(of.Denied), Number(of.AuthFailures),
        ];
    }

    /// <summary>Returns a TPM's words with one blank between them: TPMs pad them with blanks.</summary>
    private static string OneBlank(string words) =>
        string.Join(' ', words.Split(' ', StringSplitOptions.RemoveEmptyEntries));

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
