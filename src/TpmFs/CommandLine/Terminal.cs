using System.Text;

namespace TpmFs.CommandLine;

/// <summary>Standard output as a person sees it: how wide it is, and whether it shows colours.</summary>
/// <param name="Width">In columns; null where it is a file or a pipe, whose lines are as long as they are.</param>
/// <param name="HasColours">True for a terminal, unless NO_COLOR or TERM=dumb says otherwise.</param>
internal sealed record Terminal(int? Width, bool HasColours)
{
    public const int LeastWidth = 40;

    /// <summary>Gets what has no end of a line and no colours, as a file.</summary>
    public static Terminal Unlimited { get; } = new(null, HasColours: false);

    /// <summary>Looks at standard output.</summary>
    public static Terminal OfOutput() => Of(Console.IsOutputRedirected, Environment.GetEnvironmentVariable, () =>
    {
        try
        {
            return Console.WindowWidth;
        }
        catch (IOException)
        {
            return 0;
        }
    });

    /// <param name="variable">An environment variable's value.</param>
    /// <param name="width">The terminal's columns; 0 where it does not say.</param>
    public static Terminal Of(bool isRedirected, Func<string, string?> variable, Func<int> width)
    {
        const int Usual = 80;
        if (isRedirected)
        {
            return Unlimited;
        }

        int columns = width();
        return new Terminal(
            columns == 0 ? Usual : Math.Max(columns, LeastWidth),
            string.IsNullOrEmpty(variable("NO_COLOR")) && variable("TERM") is not (null or "" or "dumb"));
    }

    /// <summary>Returns text in a colour, where there are colours.</summary>
    public string Paint(string text, Colour colour) =>
        HasColours && text.Length > 0 ? $"\x1b[{(int)colour}m{text}\x1b[0m" : text;

    /// <summary>
    /// Returns a domain's name, cut where it is longer than the room. Where the room would hold little more than the
    /// directory, such as "domains/", an ellipsis stands for the directory.
    /// </summary>
    public static string Cut(string domain, int room)
    {
        const int RoomForDirectory = 12;
        if (domain.Length <= room)
        {
            return domain;
        }

        int slash = domain.IndexOf('/', StringComparison.Ordinal);
        string name = slash > 0 && room < RoomForDirectory ? $"…{domain[slash..]}" : domain;
        return name.Length > room ? $"{name[..(room - 1)]}…" : name;
    }

    /// <summary>Returns the lines of a text, broken at blanks so that each fits beside an indentation.</summary>
    public IEnumerable<string> Fold(string text, int indentation)
    {
        int room = Width is { } width ? width - indentation : int.MaxValue;
        var line = new StringBuilder();
        foreach (string word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > room)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }
}

/// <summary>SGR parameters of ECMA-48.</summary>
internal enum Colour
{
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
}
