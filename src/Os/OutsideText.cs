using System.Globalization;
using System.Text;

namespace TpmFs.Os;

/// <summary>
/// Shows text that another user or program chose: the name of a process, a path, what a TPM or another program says.
/// There is one method for each place where such text is shown. It keeps the text from passing for anything but text
/// there.
/// </summary>
public static class OutsideText
{
    private const char Replacement = '_';

    /// <summary>
    /// Returns text for one line of a terminal or a log. What would control the terminal, end the line, or show other
    /// characters elsewhere (Unicode's controls, formats and separators, halves of surrogate pairs) is shown by its
    /// number: \x1b, \u202e.
    /// </summary>
    public static string Line(string text) =>
        text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0 ? text : Escape(text, keepLines: false);

    /// <summary>Returns text of several lines, each of them as <see cref="Line"/> returns it.</summary>
    public static string Lines(string text) => Escape(text, keepLines: true);

    /// <summary>
    /// Returns text for a field between blanks: printable ASCII without blanks, other characters as "_", no longer than
    /// <paramref name="maxLength"/>; "?" for nothing at all.
    /// </summary>
    public static string Word(string text, int maxLength)
    {
        string word = string.Concat(text.Take(maxLength).Select(c => c is > ' ' and <= '~' ? c : Replacement));
        return word.Length == 0 ? "?" : word;
    }

    /// <summary>Returns text to stand between the quotes of a label's value in OpenMetrics text format.</summary>
    public static string Label(string text) =>
        Line(text).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);

    /// <summary>
    /// Returns at most <paramref name="maxLength"/> characters. When it cuts the text, it adds how many characters
    /// there were.
    /// </summary>
    public static string Cut(string text, int maxLength)
    {
        if (text.Length <= maxLength)
        {
            return text;
        }

        int length = char.IsHighSurrogate(text[maxLength - 1]) ? maxLength - 1 : maxLength;
        return string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, length)}… ({text.Length} characters)");
    }

    private static string Escape(string text, bool keepLines)
    {
        var shown = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                int code = char.ConvertToUtf32(c, text[++i]);
                _ = IsShown(CharUnicodeInfo.GetUnicodeCategory(code))
                    ? shown.Append(c).Append(text[i])
                    : shown.Append(CultureInfo.InvariantCulture, $"\\U{code:x8}");
            }
            else if ((keepLines && c == '\n') || IsShown(CharUnicodeInfo.GetUnicodeCategory(c)))
            {
                shown.Append(c);
            }
            else
            {
                (string prefix, string format) = c <= 0xFF ? ("\\x", "x2") : ("\\u", "x4");
                shown.Append(prefix).Append(((int)c).ToString(format, CultureInfo.InvariantCulture));
            }
        }

        return shown.ToString();
    }

    private static bool IsShown(UnicodeCategory category) => category is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.OtherNotAssigned);
}
