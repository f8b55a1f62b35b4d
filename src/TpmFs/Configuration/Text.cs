using System.Text.Json;

namespace TpmFs.Configuration;

/// <summary>Text of the configuration file.</summary>
internal static class Text
{
    private const int MaxPrinted = 64;

    /// <summary>
    /// False for what is no string, or is one whose escapes are no Unicode text (half a surrogate pair).
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

    /// <summary>Returns text of the file for a message: on one line, and not endless.</summary>
    public static string Printable(string text) => OutsideText.Line(OutsideText.Cut(text, MaxPrinted));
}
