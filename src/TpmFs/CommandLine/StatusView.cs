namespace TpmFs.CommandLine;

/// <summary>Shows the text of a status file on a terminal: no wider than that, and what is wrong in red.</summary>
internal static class StatusView
{
    /// <summary>The column at which the words of a line begin after its name ("TPM 0", "up").</summary>
    private const int Words = 11;

    /// <summary>The least number of characters that are shown of a domain's name.</summary>
    private const int LeastName = 8;

    private const string TableStart = "domain";

    /// <summary>Returns the lines to print.</summary>
    /// <param name="text">The file's text, with nothing in it that would control a terminal.</param>
    public static IEnumerable<string> Show(string text, Terminal terminal)
    {
        string[] lines = text.TrimEnd('\n').Split('\n');
        int table = Array.FindIndex(lines, line => line.StartsWith(TableStart, StringComparison.Ordinal));
        table = table < 0 ? lines.Length : table;
        return [.. lines[..table].SelectMany(line => ShowWords(line, terminal)),
            .. ShowTable(lines[table..], terminal)];
    }

    /// <summary>Returns the lines that say what keeps commands from being carried out, each with its name.</summary>
    public static IEnumerable<string> Warnings(string text)
    {
        string name = "";
        foreach (string line in text.Split('\n').TakeWhile(line => line.Length > 0))
        {
            name = line[0] == ' ' || line.Length <= Words ? name : line[..Words];
            if (IsProblem(line))
            {
                yield return name + line[Words..];
            }
        }
    }

    private static bool IsProblem(string line) => line.Length > Words
        && (line.AsSpan(Words).StartsWith("NOT THERE", StringComparison.Ordinal)
            || line.AsSpan(Words).StartsWith("NO ANSWER", StringComparison.Ordinal)
            || line.AsSpan(Words).StartsWith("SUSPENDED", StringComparison.Ordinal));

    private static IEnumerable<string> ShowWords(string line, Terminal terminal)
    {
        if (line.Length <= Words)
        {
            return [line];
        }

        bool isWrong = line.StartsWith("LOCKOUT", StringComparison.Ordinal)
            || IsProblem(line);
        string[] parts = [.. terminal.Fold(line[Words..], Words)];
        return parts.Select((part, i) =>
        {
            string whole = (i == 0 ? line[..Words] : new string(' ', Words)) + part;
            return isWrong ? terminal.Paint(whole, Colour.Red) : whole;
        });
    }

    /// <summary>Shows the table; where it is too wide, the names of domains are cut.</summary>
    private static IEnumerable<string> ShowTable(string[] lines, Terminal terminal)
    {
        if (lines.Length == 0)
        {
            return [];
        }

        int excess = lines.Max(line => line.Length) - (terminal.Width ?? int.MaxValue);
        int names = lines.Max(line => line.IndexOf("  ", StringComparison.Ordinal) is var end and >= 0 ? end : 0);
        string[] shown = excess <= 0
            ? lines : Array.ConvertAll(lines, line => Cut(line, names, Math.Max(LeastName, names - excess)));
        return shown.Select((line, i) => i == 0 ? terminal.Paint(line, Colour.Bold) : line);
    }

    private static string Cut(string line, int names, int room)
    {
        if (room >= names || line.Length < names)
        {
            return line;
        }

        return Terminal.Cut(line[..names].TrimEnd(), room).PadRight(room) + line[names..];
    }
}
