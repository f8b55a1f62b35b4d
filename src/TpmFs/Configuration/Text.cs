using System.Text.Json;

namespace TpmFs.Configuration;

/// <summary>Reads and shows text of the configuration file.</summary>
internal static class Text
{
    private const int MaxPrinted = 64;

    /// <summary>
    /// Reads a string. Returns false for a value that is no string, or whose escapes are no Unicode text (half a
    /// surrogate pair).
    /// </summary>
    public static bool TryGet(ref Utf8JsonReader reader, out string text)
    {
        text = "";
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName))
        {
            return false;
        }

        try
        {
            text = reader.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Returns text of the file for a message: on one line, and of limited length.</summary>
    public static string Printable(string text) => OutsideText.Line(OutsideText.Cut(text, MaxPrinted));
}
