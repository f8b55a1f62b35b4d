using System.CommandLine.Parsing;
using System.Globalization;
using TpmFs.Configuration;

namespace TpmFs.CommandLine;

/// <summary>Reads words of the command line that are not just text, and says what a wrong one should be.</summary>
internal static class Words
{
    /// <summary>Reads the id of an opener.</summary>
    public static ulong ReadId(ArgumentResult argument)
    {
        string word = First(argument);
        if (!ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out ulong id))
        {
            argument.AddError(
                $"\"{OutsideText.Line(word)}\" is not the id of an opener; 'tpmfs openers' lists the ids");
        }

        return id;
    }

    /// <summary>Reads the name of a bus.</summary>
    public static BusKind? ReadBus(ArgumentResult argument)
    {
        string word = First(argument);
        switch (word)
        {
            case "system":
                return BusKind.System;
            case "session":
                return BusKind.Session;
            default:
                argument.AddError($"\"{OutsideText.Line(word)}\" is not a bus: name system or session");
                return null;
        }
    }

    private static string First(ArgumentResult argument) => argument.Tokens is [var token, ..] ? token.Value : "";
}
