using System.Collections;
using System.Text.Json;

namespace TpmFs.Configuration;

/// <summary>What an object may hold: for each key the reader of its value, or the shape of the object below it.</summary>
internal sealed class ObjectShape : IEnumerable<string>
{
    private readonly Dictionary<string, (ValueReader? Value, ObjectShape? Object)> keys = new(StringComparer.Ordinal);

    public void Add(string key, ValueReader value) => keys.Add(key, (value, null));

    public void Add(string key, ObjectShape shape) => keys.Add(key, (null, shape));

    public IEnumerator<string> GetEnumerator() => keys.Keys.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>
    /// Reads an object, from its first token to its last. Null when all of it was taken, else what is wrong with the token that the
    /// reader is on.
    /// </summary>
    /// <param name="name">What the object is to a person.</param>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public string? Read(ref Utf8JsonReader reader, string name, Settings settings)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return $"{name} must be an object: {{ … }}";
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!Values.TryGetText(ref reader, out var key) || !keys.TryGetValue(key, out var takes))
            {
                return $"\"{Values.Printable(key)}\" is no key of {name}; its keys are {string.Join(", ", keys.Keys)}";
            }

            if (!seen.Add(key))
            {
                return $"\"{key}\" is given twice in {name}";
            }

            reader.Read();
            var problem = takes.Object is { } below
                ? below.Read(ref reader, $"\"{key}\"", settings)
                : takes.Value!(ref reader, settings) is { } expected ? $"\"{key}\" must be {expected}" : null;
            if (problem is not null)
            {
                return problem;
            }
        }

        return null;
    }
}
