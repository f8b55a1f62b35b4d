using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Spectre.Console;
using Spectre.Console.Rendering;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>tpmfs top: what the domains do, second by second.</summary>
internal static class TopCommand
{
    /// <summary>The width of the columns of numbers together.</summary>
    private const int WidthOfNumbers = 67;

    /// <summary>The least number of characters that are shown of a domain's name.</summary>
    private const int LeastName = 8;

    /// <summary>The width of the table where standard output is no terminal.</summary>
    private const int WidthOfFile = 200;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>Headings are short, so that the table fits a terminal of 80 columns.</summary>
    private static readonly (string Key, string Heading)[] s_now =
        [("openers", "open"), ("objects", "obj"), ("sessions", "sess"), ("running", "run"), ("unread", "unread")];

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
        var terminal = Terminal.OfOutput();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = terminal.Width is null ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = terminal.HasColours ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        });
        if (terminal.Width is { } width)
        {
            console.Live(new Text("")).Start(screen => Follow(tree, stop, width, table =>
            {
                screen.UpdateTarget(table);
                screen.Refresh();
            }));
        }
        else
        {
            console.Profile.Width = WidthOfFile;
            Follow(tree, stop, WidthOfFile, console.Write);
        }

        return stop.IsSet ? ExitCode.Ok : ExitCode.Problem($"no TPM is mounted at {tree.Path} any more");
    }

    /// <summary>Shows a table at once, and another each second until it is to stop or the tree is gone.</summary>
    private static void Follow(MountedTree tree, ManualResetEventSlim stop, int width, Action<IRenderable> show)
    {
        TimeProvider clock = TimeProvider.System;
        (Dictionary<string, IReadOnlyDictionary<string, long>>? before, long at) = (Read(tree), clock.GetTimestamp());
        show(Show(tree, Show(before, before, s_interval, width)));
        while (!stop.Wait(s_interval) && File.Exists(Path.Combine(tree.Path, "status")))
        {
            Dictionary<string, IReadOnlyDictionary<string, long>> now = Read(tree);
            show(Show(tree, Show(before, now, clock.GetElapsedTime(at), width)));
            (before, at) = (now, clock.GetTimestamp());
        }
    }

    /// <summary>Returns a table below what keeps commands from being carried out.</summary>
    private static Rows Show(MountedTree tree, Table table)
    {
        string status = tree.TryRead("status", out string? text, out _) ? OutsideText.Lines(text) : "";
        return new Rows([.. StatusView.Warnings(status).Select(line => new Text(line, new Style(Color.Red))), table]);
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

    private static string Name(string domain, int room)
    {
        string name = domain.Length == 0 ? "root" : OutsideText.Line(domain);
        return Terminal.Cut(name, Math.Max(room, LeastName));
    }

    private static TableColumn Column(string heading) =>
        new TableColumn($"[bold]{heading}[/]").NoWrap().PadLeft(0).PadRight(1);

    /// <summary>Returns a rate as markup: what failed or was refused in red, and a domain that fills the TPM.</summary>
    private static string InColour(string key, double rate)
    {
        (string text, bool isStriking) = key switch
        {
            "busy_usec" => (rate.ToString("0.0", CultureInfo.InvariantCulture), rate >= 90),
            "denied" or "errors" => (rate.ToString("0", CultureInfo.InvariantCulture), rate > 0),
            _ => (rate.ToString("0", CultureInfo.InvariantCulture), false),
        };
        return isStriking ? $"[red]{text}[/]" : text;
    }

    private static Table Show(
        Dictionary<string, IReadOnlyDictionary<string, long>> before,
        Dictionary<string, IReadOnlyDictionary<string, long>> now, TimeSpan elapsed, int width)
    {
        Table table = new Table().Border(TableBorder.None).AddColumn(Column("domain"));
        foreach (string heading in (string[])[.. s_now.Concat(s_perSecond).Select(column => column.Heading), "busy%"])
        {
            table.AddColumn(Column(heading).RightAligned());
        }

        foreach ((string? domain, IReadOnlyDictionary<string, long>? values) in now.OrderByDescending(
            entry => Rate(entry.Key, "busy_usec")))
        {
            table.AddRow(
            [
                Markup.Escape(Name(domain, width - WidthOfNumbers)),
                .. s_now.Select(column =>
                    values.GetValueOrDefault(column.Key).ToString(CultureInfo.InvariantCulture)),
                .. s_perSecond.Select(column => InColour(column.Key, Rate(domain, column.Key))),
                InColour("busy_usec", Rate(domain, "busy_usec") / 10_000),
            ]);
        }

        return table;

        double Rate(string domain, string key) =>
            (now[domain].GetValueOrDefault(key) - before.GetValueOrDefault(domain, now[domain]).GetValueOrDefault(key))
                / elapsed.TotalSeconds;
    }
}
