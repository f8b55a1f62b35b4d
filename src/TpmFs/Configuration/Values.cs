using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using TpmFs.Policy;
using TpmFs.Rm;

namespace TpmFs.Configuration;

/// <summary>
/// The kinds of values in the configuration file, where they are read into a <typeparamref name="T"/>.
/// </summary>
internal static class Values<T>
{
    private static readonly (string Unit, TimeSpan Length)[] s_units =
    [
        ("ms", TimeSpan.FromMilliseconds(1)), ("s", TimeSpan.FromSeconds(1)), ("min", TimeSpan.FromMinutes(1)),
        ("h", TimeSpan.FromHours(1)),
    ];

    private const string PrintablePattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

    private delegate bool Taker(ref Utf8JsonReader reader, T into);

    /// <summary>Reads text that is not empty and has no control characters.</summary>
    public static Value<T> String(Action<T, string> set) => OfText(
        "text, such as \"embedded\"", PrintablePattern, token => IsPrintable(token) ? new Box<string>(token) : null,
        set);

    /// <summary>Reads text that matches a pattern from its first character to its last.</summary>
    /// <param name="expected">The same for a person.</param>
    public static Value<T> Text(string expected, Regex pattern, Action<T, string> set) => OfText(
        expected, pattern.ToString().Replace(@"\z", "$", StringComparison.Ordinal),
        token => pattern.IsMatch(token) ? new Box<string>(token) : null, set);

    /// <summary>Reads such a text, or a list of one or more of them.</summary>
    public static Value<T> Strings(Action<T, IReadOnlyList<string>> set) => new Scalar(
        "text, such as \"embedded\", or a list of such texts",
        () => new JsonObject
        {
            ["anyOf"] = new JsonArray(
                PrintableText(), new JsonObject { ["type"] = "array", ["items"] = PrintableText(), ["minItems"] = 1 })
        },
        (ref Utf8JsonReader reader, T into) =>
        {
            bool isList = reader.TokenType == JsonTokenType.StartArray;
            var texts = new List<string>();
            while (!isList || (reader.Read() && reader.TokenType != JsonTokenType.EndArray))
            {
                if (!Configuration.Text.TryGet(ref reader, out string? text) || !IsPrintable(text))
                {
                    return false;
                }

                texts.Add(text);
                if (!isList)
                {
                    break;
                }
            }

            set(into, texts);
            return texts.Count > 0;
        });

    public static Value<T> Truth(Action<T, bool> set) => new Scalar(
        "true or false",
        () => new JsonObject { ["type"] = "boolean" },
        (ref Utf8JsonReader reader, T into) =>
        {
            if (reader.TokenType is not (JsonTokenType.True or JsonTokenType.False))
            {
                return false;
            }

            set(into, reader.GetBoolean());
            return true;
        });

    public static Value<T> Count(int least, int most, Action<T, int> set) => new Scalar(
        $"a whole number from {least} to {most}",
        () => Number(least, most),
        (ref Utf8JsonReader reader, T into) => TryCount(ref reader, least, most, into, set));

    /// <summary>Reads a limit: a count in its range or, where it may be without end, "max".</summary>
    public static Value<T> Limit(LimitKind kind, Action<T, int> set) =>
        !kind.CanBeMax ? Count(kind.Least, kind.Most, set) : new Scalar(
        $"a whole number from {kind.Least} on, or \"{LimitKind.Max}\"",
        () => new JsonObject
        {
            ["anyOf"] = new JsonArray(
                Number(kind.Least, kind.Most), new JsonObject { ["const"] = LimitKind.Max })
        },
        (ref Utf8JsonReader reader, T into) =>
        {
            if (reader.TokenType != JsonTokenType.String || !reader.ValueTextEquals(LimitKind.Max))
            {
                return TryCount(ref reader, kind.Least, kind.Most, into, set);
            }

            set(into, SpaceLimits.Unlimited);
            return true;
        });

    /// <summary>Reads permission bits as chmod takes them: octal text, without set-id and sticky bits.</summary>
    public static Value<T> Mode(Action<T, uint> set) => OfText(
        "permissions in octal, such as \"0660\"",
        "^0?[0-7]{3}$",
        token => token.Length is 3 or 4 && token.All(c => c is >= '0' and <= '7')
            && Convert.ToUInt32(token, 8) is <= 0x1FF and var mode ? new Box<uint>(mode) : null,
        set);

    /// <summary>Reads a whole number and a unit, such as "100ms".</summary>
    public static Value<T> Duration(TimeSpan least, TimeSpan most, Action<T, TimeSpan> set) => OfText(
        $"a time with its unit (ms, s, min, h), such as \"100ms\", of at most {most.TotalHours:0} h",
        "^[0-9]+(ms|s|min|h)$",
        token => ParseDuration(token) is { } time && time >= least && time <= most ? new Box<TimeSpan>(time) : null,
        set);

    public static Value<T> OneOf<TValue>((string Name, TValue Value)[] choices, Action<T, TValue> set) => new Scalar(
        $"one of {string.Join(", ", choices.Select(choice => $"\"{choice.Name}\""))}",
        () => new JsonObject { ["enum"] = new JsonArray([.. choices.Select(choice => (JsonNode)choice.Name)]) },
        (ref Utf8JsonReader reader, T into) =>
        {
            if (!Configuration.Text.TryGet(ref reader, out string? token)
                || Array.FindIndex(choices, choice => choice.Name == token) is not (>= 0 and var at))
            {
                return false;
            }

            set(into, choices[at].Value);
            return true;
        });

    /// <summary>
    /// Reads the commands that are refused: names, numbers and sets. A - before a name allows a command although a set
    /// has it.
    /// </summary>
    public static Value<T> Denied(Action<T, DenyList> set) => new Scalar(
        "a list of commands (\"TPM2_Clear\", \"0x126\") and sets of them "
            + $"({string.Join(", ", CommandSet.Known.Select(known => known.Name))})",
        () => new JsonObject
        {
            ["type"] = "array",
            ["items"] = new JsonObject
            {
                ["type"] = "string",
                ["pattern"] = "^-?(TPM2_|TPM_CC_|0x|@)[A-Za-z0-9_-]+$"
            }
        },
        (ref Utf8JsonReader reader, T into) =>
        {
            var entries = new List<string>();
            if (reader.TokenType != JsonTokenType.StartArray)
            {
                return false;
            }

            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                // One by one, so that the reader is still on the entry that is wrong.
                if (!Configuration.Text.TryGet(ref reader, out string? entry)
                    || !DenyList.TryRead([entry], DenyList.Nothing, false, out _, out _, out _))
                {
                    return false;
                }

                entries.Add(entry);
            }

            if (!DenyList.TryRead(entries, DenyList.Nothing, false, out DenyList? list, out bool isWhole, out _)
                || !isWhole)
            {
                return false;
            }

            set(into, list);
            return true;
        });

    private static Value<T> OfText<TValue>(
        string expected, string pattern, Func<string, Box<TValue>?> parse, Action<T, TValue> set) => new Scalar(
        expected,
        () => new JsonObject { ["type"] = "string", ["pattern"] = pattern },
        (ref Utf8JsonReader reader, T into) =>
        {
            if (!Configuration.Text.TryGet(ref reader, out string? token) || parse(token) is not { } parsed)
            {
                return false;
            }

            set(into, parsed.Value);
            return true;
        });

    private static bool IsPrintable(string text) => text.Length > 0 && !text.Any(char.IsControl);

    private static JsonObject PrintableText() => new() { ["type"] = "string", ["pattern"] = PrintablePattern };

    private static JsonObject Number(int least, int most) =>
        new() { ["type"] = "integer", ["minimum"] = least, ["maximum"] = most };

    private static bool TryCount(ref Utf8JsonReader reader, int least, int most, T into, Action<T, int> set)
    {
        if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int count) || count < least
            || count > most)
        {
            return false;
        }

        set(into, count);
        return true;
    }

    private static TimeSpan? ParseDuration(string token)
    {
        int digits = token.TakeWhile(char.IsAsciiDigit).Count();
        int unit = Array.FindIndex(s_units, unit => token.AsSpan(digits).SequenceEqual(unit.Unit));
        return unit >= 0
            && int.TryParse(token.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count * s_units[unit].Length
            : null;
    }

    private sealed record Box<TValue>(TValue Value);

    private sealed class Scalar(string expected, Func<JsonObject> schema, Taker take) : Value<T>
    {
        public override string? Read(ref Utf8JsonReader reader, string name, T into) =>
            take(ref reader, into) ? null : $"{name} must be {expected}";

        public override JsonObject Schema() => schema();
    }
}
