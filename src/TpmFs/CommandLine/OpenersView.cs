namespace TpmFs.CommandLine;

/// <summary>
/// Shows openers as a table. On a terminal a line is no wider than that: headings are short, columns of little interest
/// are left out, and the longest names are cut.
/// </summary>
internal static class OpenersView
{
    /// <summary>The least number of characters that are shown of a name.</summary>
    private const int LeastName = 8;

    private const string Node = "node", TpmCommand = "TPM command", Program = "command", CommandPrefix = "TPM2_";

    private static readonly Column[] s_columns =
    [
        new("id", "id", of => of["id"]),
        new("uid", "uid", of => of["uid"]),
        new("pid", "pid", of => of["pid"]),
        new(Program, Program, of => of["command"]),
        new(Node, Node, of => MountedTree.At(of.Domain, of["node"])),
        new("objects", "obj", of => of["objects"]),
        new("sessions", "sess", of => of["sessions"]),
        new("commands", "cmds", of => of["commands"]),
        new("age", "age", of => of["age"] + " s"),
        new("state", "state", of => of["state"]),
        new("for", "for", of => of["since"] + " s"),
        new(TpmCommand, TpmCommand, of => of["tpm_command"]),
        new("reads", "reads", of => of["reads"]),
        new("unread", "unread", of => of["unread"]),
        new("door", "door", of => of["door"]),
    ];

    /// <summary>The columns that a narrow terminal does without, the first to go first.</summary>
    private static readonly string[] s_leftOut = ["door", "reads", "unread", "age"];

    /// <summary>The columns that are cut, the first to be cut first.</summary>
    private static readonly string[] s_cut = [Node, TpmCommand, Program];

    /// <summary>Returns the lines to print.</summary>
    public static IEnumerable<string> Show(IEnumerable<OpenerLine> openers, Terminal terminal)
    {
        string[][] cells =
            [.. openers.Select(opener => Array.ConvertAll(s_columns, of => OutsideText.Line(of.Get(opener))))];
        return terminal.Width is { } width
            ? Fit(cells, width).Select((line, i) => i == 0 ? terminal.Paint(line, Colour.Bold) : line)
            : Lines([[.. s_columns.Select(of => of.Heading)], .. cells], "  ");
    }

    private static IEnumerable<string> Fit(string[][] cells, int width)
    {
        int command = IndexOf(TpmCommand);
        foreach (string[] row in cells.Where(row => row[command].StartsWith(CommandPrefix, StringComparison.Ordinal)))
        {
            row[command] = row[command][CommandPrefix.Length..];
        }

        string[][] rows = [[.. s_columns.Select(of => of.Short)], .. cells];
        List<int> shown = [.. Enumerable.Range(0, s_columns.Length)];
        foreach (string heading in s_leftOut.TakeWhile(_ => Excess(rows, shown, width) > 0))
        {
            shown.Remove(IndexOf(heading));
        }

        foreach (string heading in s_cut)
        {
            if (Excess(rows, shown, width) is var excess and > 0)
            {
                Cut(rows, IndexOf(heading), excess);
            }
        }

        return Lines([.. rows.Select(row => shown.Select(column => row[column]).ToArray())], " ");
    }

    private static int Excess(string[][] rows, List<int> shown, int width) =>
        shown.Sum(column => rows.Max(row => row[column].Length)) + shown.Count - 1 - width;

    private static void Cut(string[][] rows, int column, int excess)
    {
        int room = Math.Max(LeastName, rows.Max(row => row[column].Length) - excess);
        foreach (string[] row in rows.Skip(1).Where(row => row[column].Length > room))
        {
            string text = row[column];
            string end = text.LastIndexOf('/') is var slash and > 0 && text.Length - slash < room - 1
                ? text[slash..] : ""; // which of a domain's nodes it is
            row[column] = text[..(room - 1 - end.Length)] + "…" + end;
        }
    }

    private static IEnumerable<string> Lines(string[][] rows, string gap)
    {
        int[] widths = [.. rows[0].Select((_, column) => rows.Max(row => row[column].Length))];
        return rows.Select(row =>
            string.Join(gap, row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
    }

    private static int IndexOf(string heading) => Array.FindIndex(s_columns, column => column.Heading == heading);

    /// <param name="Heading">In a file.</param>
    /// <param name="Short">On a terminal.</param>
    private sealed record Column(string Heading, string Short, Func<OpenerLine, string> Get);
}
