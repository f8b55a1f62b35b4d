using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Spectre.Console;

namespace TpmFs.CommandLine;

/// <summary>tpmfs top: what the domains do, second by second.</summary>
internal static class TopCommand
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);
    private static readonly string[] s_now = ["openers", "objects", "sessions", "running", "unread"];

    private static readonly (string Key, string Heading)[] s_perSecond =
        [("commands", "cmd/s"), ("tpm_commands", "tpm/s"), ("evictions", "evict/s"), ("denied", "deny/s"),
            ("errors", "err/s")];

    public static Command Create()
    {
        var command = new Command("top", "Show what each domain does, until Ctrl-C.") { TreeCommands.MountPoint };
        command.SetAction(arguments => TreeCommands.With(arguments, Run));
        return command;
    }

    private static int Run(MountedTree tree)
    {
        using var stop = new ManualResetEventSlim();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => End(signal, stop));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => End(signal, stop));
        TimeProvider clock = TimeProvider.System;
        (Dictionary<string, IReadOnlyDictionary<string, long>>? before, long at) = (Read(tree), clock.GetTimestamp());
        AnsiConsole.Live(Show(before, before, s_interval)).Start(screen =>
        {
            while (!stop.Wait(s_interval) && File.Exists(Path.Combine(tree.Path, "status")))
            {
                Dictionary<string, IReadOnlyDictionary<string, long>> now = Read(tree);
                screen.UpdateTarget(Show(before, now, clock.GetElapsedTime(at)));
                screen.Refresh();
                (before, at) = (now, clock.GetTimestamp());
            }
        });
        return stop.IsSet ? ExitCode.Ok : ExitCode.Problem($"nothing is mounted at {tree.Path} any more");
    }

    private static void End(PosixSignalContext signal, ManualResetEventSlim stop)
    {
        signal.Cancel = true;
        stop.Set();
    }

    private static Dictionary<string, IReadOnlyDictionary<string, long>> Read(MountedTree tree)
    {
        var all = new Dictionary<string, IReadOnlyDictionary<string, long>>(StringComparer.Ordinal);
        foreach (string domain in tree.Domains)
        {
            if (tree.Statistics(domain) is { } statistics)
            {
                all.Add(domain, statistics);
            }
        }

        return all;
    }

    private static Table Show(
        Dictionary<string, IReadOnlyDictionary<string, long>> before,
        Dictionary<string, IReadOnlyDictionary<string, long>> now, TimeSpan elapsed)
    {
        Table table = new Table().Border(TableBorder.None).AddColumn(new TableColumn("domain").NoWrap());
        foreach (string heading in (string[])[.. s_now, .. s_perSecond.Select(column => column.Heading), "busy %"])
        {
            table.AddColumn(new TableColumn(heading).NoWrap().RightAligned());
        }

        foreach ((string? domain, IReadOnlyDictionary<string, long>? values) in now.OrderByDescending(
            entry => Rate(entry.Key, "busy_usec")))
        {
            table.AddRow(
            [
                Markup.Escape(domain.Length == 0 ? "root" : OutsideText.Line(domain)),
                .. s_now.Select(key => values.GetValueOrDefault(key).ToString(CultureInfo.InvariantCulture)),
                .. s_perSecond.Select(column => Rate(domain, column.Key).ToString("0", CultureInfo.InvariantCulture)),
                (Rate(domain, "busy_usec") / 10_000).ToString("0.0", CultureInfo.InvariantCulture),
            ]);
        }

        return table;

        double Rate(string domain, string key) =>
            (now[domain].GetValueOrDefault(key) - before.GetValueOrDefault(domain, now[domain]).GetValueOrDefault(key))
                / elapsed.TotalSeconds;
    }
}
