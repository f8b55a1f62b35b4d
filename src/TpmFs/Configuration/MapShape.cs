using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace TpmFs.Configuration;

/// <summary>An object whose keys are names that the administrator chooses.</summary>
/// <param name="keys">A regular expression for a key, from its first character to its last.</param>
/// <param name="expected">The same for a person.</param>
internal sealed class MapShape<T, TItem>(
    Regex keys, string expected, Value<TItem> item, Func<T, IDictionary<string, TItem>> select) : Value<T>
    where TItem : new()
{
    public override string? Read(ref Utf8JsonReader reader, string name, T into)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return $"{name} must be an object: {{ … }}";
        }

        IDictionary<string, TItem> items = select(into);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!Text.TryGet(ref reader, out string? key) || !keys.IsMatch(key))
            {
                return $"\"{Text.Printable(key)}\" in {name} must be {expected}";
            }

            var one = new TItem();
            if (!items.TryAdd(key, one))
            {
                return $"\"{key}\" is given twice in {name}";
            }

            reader.Read();
            if (item.Read(ref reader, $"\"{key}\"", one) is { } problem)
            {
                return problem;
            }
        }

        return null;
    }

    public override JsonObject Schema() => new()
    {
        ["type"] = "object",
        ["additionalProperties"] = false,
        ["patternProperties"] = new JsonObject
        {
            [keys.ToString().Replace(@"\z", "$", StringComparison.Ordinal)] = item.Schema(),
        },
    };
}
