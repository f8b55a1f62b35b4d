using System.Globalization;
using System.Text.Json;
using TpmFs.Rm;

namespace TpmFs.Configuration;

/// <summary>Takes one value, the token that the reader is on. Null when it was taken, else what was expected instead.</summary>
internal delegate string? ValueReader(ref Utf8JsonReader reader, Settings settings);

/// <summary>The kinds of values in the configuration file.</summary>
internal static class Values
{
    private static readonly (string Unit, TimeSpan Length)[] Units =
    [
        ("ms", TimeSpan.FromMilliseconds(1)), ("s", TimeSpan.FromSeconds(1)), ("min", TimeSpan.FromMinutes(1)), ("h", TimeSpan.FromHours(1)),
    ];

    /// <summary>Text that is not empty and has no control characters.</summary>
    public static ValueReader Text(Action<Settings, string> set) =>
        Of("text, such as \"embedded\"", token => token.Length > 0 && !token.Any(char.IsControl) ? token : null, set);

    public static ValueReader Truth(Action<Settings, bool> set) => (ref Utf8JsonReader reader, Settings settings) =>
    {
        if (reader.TokenType is not (JsonTokenType.True or JsonTokenType.False))
        {
            return "true or false";
        }

        set(settings, reader.GetBoolean());
        return null;
    };

    public static ValueReader Count(int least, int most, Action<Settings, int> set) => (ref Utf8JsonReader reader, Settings settings) =>
    {
        if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var count) || count < least || count > most)
        {
            return $"a whole number from {least} to {most}";
        }

        set(settings, count);
        return null;
    };

    /// <summary>A count from 0 on, or "max" for no limit.</summary>
    public static ValueReader Limit(Action<Settings, int> set) => (ref Utf8JsonReader reader, Settings settings) =>
    {
        if (reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("max"u8))
        {
            set(settings, SpaceLimits.Unlimited);
            return null;
        }

        return Count(0, int.MaxValue, set)(ref reader, settings) is null ? null : "a whole number from 0 on, or \"max\"";
    };

    /// <summary>Permission bits as chmod takes them: octal text, without set-id and sticky bits.</summary>
    public static ValueReader Mode(Action<Settings, uint> set) => Of<uint>(
        "permissions in octal, such as \"0660\"",
        token => token.Length is 3 or 4 && token.All(c => c is >= '0' and <= '7') && Convert.ToUInt32(token, 8) is <= 0x1FF and var mode ? mode : null,
        set);

    /// <summary>A whole number and a unit, such as "100ms".</summary>
    public static ValueReader Duration(TimeSpan least, TimeSpan most, Action<Settings, TimeSpan> set) => Of(
        $"a time with its unit (ms, s, min, h), such as \"100ms\", of at most {most.TotalHours:0} h",
        token => ParseDuration(token) is { } time && time >= least && time <= most ? time : (TimeSpan?)null,
        set);

    public static ValueReader OneOf<T>((string Name, T Value)[] choices, Action<Settings, T> set)
        where T : struct => Of(
            $"one of {string.Join(", ", choices.Select(choice => $"\"{choice.Name}\""))}",
            token => Array.FindIndex(choices, choice => choice.Name == token) is >= 0 and var at ? choices[at].Value : (T?)null,
            set);

    private static ValueReader Of<T>(string expected, Func<string, T?> parse, Action<Settings, T> set)
        where T : struct => (ref Utf8JsonReader reader, Settings settings) =>
    {
        if (!TryGetText(ref reader, out var token) || parse(token) is not { } value)
        {
            return expected;
        }

        set(settings, value);
        return null;
    };

    private static ValueReader Of(string expected, Func<string, string?> parse, Action<Settings, string> set) => (ref Utf8JsonReader reader, Settings settings) =>
    {
        if (!TryGetText(ref reader, out var token) || parse(token) is not { } value)
        {
            return expected;
        }

        set(settings, value);
        return null;
    };

    /// <summary>False for what is no string, or is one whose escapes are no Unicode text (half a surrogate pair).</summary>
    public static bool TryGetText(ref Utf8JsonReader reader, out string text)
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

    /// <summary>Text from outside, for a message: without control characters, and not endless.</summary>
    public static string Printable(string text) =>
        string.Concat(text.Take(64).Select(c => char.IsControl(c) ? '?' : c));

    private static TimeSpan? ParseDuration(string token)
    {
        var digits = token.TakeWhile(char.IsAsciiDigit).Count();
        var unit = Array.FindIndex(Units, unit => token.AsSpan(digits).SequenceEqual(unit.Unit));
        return unit >= 0 && int.TryParse(token.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count * Units[unit].Length
            : null;
    }
}
