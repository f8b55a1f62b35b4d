using System.Text.Json;
using System.Text.Json.Nodes;

namespace TpmFs.Configuration;

/// <summary>
/// The shape of a value in the configuration file: reads one, and says in a JSON schema what may stand there.
/// </summary>
/// <typeparam name="T">What it is read into.</typeparam>
internal abstract class Value<T>
{
    /// <summary>
    /// Takes a value, from its first token, which the reader is on, to its last. Null when all of it was taken, else
    /// what is wrong with the token that the reader is on.
    /// </summary>
    /// <param name="name">What the value is to a person.</param>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public abstract string? Read(ref Utf8JsonReader reader, string name, T into);

    /// <summary>A new object at each call, since a node has one parent.</summary>
    public abstract JsonObject Schema();
}

/// <summary>A value that is one part of something, and is read into that part.</summary>
internal sealed class PartOf<T, TPart>(Value<TPart> value, Func<T, TPart> part) : Value<T>
{
    public override string? Read(ref Utf8JsonReader reader, string name, T into) =>
        value.Read(ref reader, name, part(into));

    public override JsonObject Schema() => value.Schema();
}
