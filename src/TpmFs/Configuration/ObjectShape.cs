using System.Collections;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TpmFs.Configuration;

/// <summary>
/// The keys that an object may hold, each with the shape of its value. No key need be there, and none may be there
/// twice.
/// </summary>
internal sealed class ObjectShape<T> : Value<T>, IEnumerable<string>
{
    private readonly List<string> _order = [];
    private readonly Dictionary<string, Value<T>> _keys = new(StringComparer.Ordinal);

    public void Add(string key, Value<T> value)
    {
        _order.Add(key);
        _keys.Add(key, value);
    }

    /// <summary>Adds all keys of another shape.</summary>
    public void Add(ObjectShape<T> others) => others._order.ForEach(key => Add(key, others._keys[key]));

    public IEnumerator<string> GetEnumerator() => _order.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string? Read(ref Utf8JsonReader reader, string name, T into)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return $"{name} must be an object: {{ … }}";
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!Text.TryGet(ref reader, out string? key) || !_keys.TryGetValue(key, out Value<T>? value))
            {
                return $"\"{Text.Printable(key)}\" is no key of {name}; its keys are {string.Join(", ", _order)}";
            }

            if (!seen.Add(key))
            {
                return $"\"{key}\" is given twice in {name}";
            }

            reader.Read();
            if (value.Read(ref reader, $"\"{key}\"", into) is { } problem)
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
        ["properties"] = new JsonObject(_order.Select(key => KeyValuePair.Create(key, (JsonNode?)_keys[key].Schema()))),
    };
}
