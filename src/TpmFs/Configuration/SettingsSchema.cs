using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TpmFs.Configuration;

/// <summary>The configuration file's JSON schema, for editors: docs/tpmfs.schema.json is this text.</summary>
internal static class SettingsSchema
{
    // An editor's file, not a web page: its quotes need no escapes.
    private static readonly JsonWriterOptions s_options =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Text()
    {
        JsonObject schema = SettingsKeys.All.Schema();
        schema.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");
        schema.Insert(1, "title", "The configuration of TpmFs");
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, s_options))
        {
            schema.WriteTo(writer);
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }
}
