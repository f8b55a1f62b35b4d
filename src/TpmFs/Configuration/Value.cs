using System.Text.Json;
using System.Text.Json.Nodes;

namespace TpmFs.Configuration;

/// <summary>
/// The shape of a value in the configuration file. It reads a value, and describes valid values in a JSON schema.
/// </summary>
/// <typeparam name="T">The type that the value is read into.</typeparam>
internal abstract class Value<T>
{
    /// <summary>
    /// Takes a value, from its first token, which the reader is on, to its last. Returns null when all of it was taken,
    /// else the error of the token that the reader is on.
    /// </summary>
    /// <param name="name">The value's name for people.</param>
    /// <exception cref="JsonException">The text is not JSON.</exception>
    public abstract string? Read(ref Utf8JsonReader reader, string name, T into);

    /// <summary>Returns the value's JSON schema: a new object at each call, since a node has one parent.</summary>
    public abstract JsonObject Schema();
}

/// <summary>A value that is one part of an object, and is read into that part.</summary>
internal sealed class PartOf<T, TPart>(Value<TPart> value, Func<T, TPart> part) : Value<T>
{
    public override string? Read(ref Utf8JsonReader reader, string name, T into) =>
        value.Read(ref reader, name, part(into));

    public override JsonObject Schema() => value.Schema();
}
