using System.Globalization;
using System.Text;
using TpmFs.Clients;
using TpmFs.Doors.Fuse;
using TpmFs.Rm;
using TpmFs.Tree.Controls;

namespace TpmFs.Tree.Status;

/// <summary>
/// metrics: the content of status for Prometheus, in OpenMetrics text format 1.0, with only those types that its older
/// text format has too.
/// </summary>
internal sealed class MetricsFile(NodeTable table, ControlContext context, DaemonStatus status)
    : ControlFile(table, Shown, context)
{
    private const string Microseconds = "_usec";
    private const double PerSecond = 1_000_000;
    private static readonly TpmDescription s_unknown = new("", "", "", 0);

    public override string Content()
    {
        (IReadOnlyList<TpmStatus>? tpms, IReadOnlyList<Domain>? domains) = (status.Tpms, status.Domains);
        var text = new StringBuilder();
        TellOfTpms(text, tpms);
        Family(text, "tpmfs_start_time_seconds", "gauge", "seconds", "when the daemon started, in UNIX time");
        text.Append(
            CultureInfo.InvariantCulture,
            $"tpmfs_start_time_seconds {status.Start.ToUnixTimeMilliseconds() / 1000.0}\n");
        Family(
            text, "tpmfs_takeovers", "counter", null,
            "how many times a daemon has taken the mount over from the one before it");
        text.Append(CultureInfo.InvariantCulture, $"tpmfs_takeovers_total {status.Takeovers}\n");
        (string Name, int Number, DomainStatistics)[] all = domains.SelectMany(
            domain => tpms.Select(tpm => (domain.Name, tpm.Number, DomainStatistics.Of(domain, tpm.Number)))).ToArray();
        foreach (StatisticKey key in DomainStatistics.Keys)
        {
            bool isTime = key.Name.EndsWith(Microseconds, StringComparison.Ordinal);
            string name = "tpmfs_" + (isTime ? key.Name[..^Microseconds.Length] + "_seconds" : key.Name);
            Family(text, name, key.Grows ? "counter" : "gauge", isTime ? "seconds" : null, key.Meaning);
            foreach ((string? domain, int tpm, DomainStatistics? statistics) in all)
            {
                double value = isTime ? key.Get(statistics) / PerSecond : key.Get(statistics);
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"{name}{(key.Grows ? "_total" : "")}{{domain=\"{OutsideText.Label(domain)}\",tpm=\"{tpm}\"}} "
                        + $"{value}\n");
            }
        }

        return text.Append("# EOF\n").ToString();
    }

    private static void TellOfTpms(StringBuilder text, IReadOnlyList<TpmStatus> tpms)
    {
        Family(text, "tpmfs_tpm_info", "gauge", null, "what the TPM says it is");
        foreach (TpmStatus tpm in tpms)
        {
            TpmDescription says = tpm.Facts.Description ?? s_unknown;
            text.Append(
                CultureInfo.InvariantCulture,
                $"tpmfs_tpm_info{{tpm=\"{tpm.Number}\","
                + $"manufacturer=\"{OutsideText.Label(says.Manufacturer)}\",model=\"{OutsideText.Label(says.Model)}\","
                + $"firmware=\"{OutsideText.Label(says.Firmware)}\"}} 1\n");
        }

        Family(text, "tpmfs_tpm_up", "gauge", null, "1 when the TPM is there, else 0");
        foreach (TpmStatus tpm in tpms)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"tpmfs_tpm_up{{tpm=\"{tpm.Number}\"}} {(tpm.Problem.Length == 0 ? 1 : 0)}\n");
        }

        Family(
            text, "tpmfs_tpm_unanswered_seconds", "gauge", "seconds",
            "how long the TPM has had the command that it has not answered; 0 when it has none");
        foreach (TpmStatus tpm in tpms)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"tpmfs_tpm_unanswered_seconds{{tpm=\"{tpm.Number}\"}} "
                    + $"{tpm.Unanswered?.Waited.TotalSeconds ?? 0:0.###}\n");
        }
    }

    private static void Family(StringBuilder text, string name, string type, string? unit, string help)
    {
        text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} {type}\n");
        if (unit is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"# UNIT {name} {unit}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n");
    }
}
