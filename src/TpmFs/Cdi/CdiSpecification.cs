using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace TpmFs.Cdi;

/// <summary>
/// A specification of the Container Device Interface. Podman, containerd and CRI-O read it: when a container asks for a
/// device, they put into the container what the specification lists for that device.
/// </summary>
internal static class CdiSpecification
{
    /// <summary>The kind of the devices: it stands before the "=" where a container names one.</summary>
    public const string Kind = "tpmfs.example/tpm";

    /// <summary>The oldest version that has everything used here, so that old container engines take it too.</summary>
    private const string Version = "0.3.0";

    /// <summary>Returns the text of a specification.</summary>
    public static byte[] Of(IEnumerable<CdiDevice> devices)
    {
        var text = new ArrayBufferWriter<byte>();
        var options = new JsonWriterOptions
        {
            Indented = true,
            // The text is a file of its own, never a part of a web page.
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        using (var json = new Utf8JsonWriter(text, options))
        {
            json.WriteStartObject();
            json.WriteString("cdiVersion", Version);
            json.WriteString("kind", Kind);
            json.WriteStartArray("devices");
            foreach (CdiDevice device in devices)
            {
                WriteDevice(json, device);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return [.. text.WrittenSpan, (byte)'\n'];
    }

    private static void WriteDevice(Utf8JsonWriter json, CdiDevice device)
    {
        json.WriteStartObject();
        json.WriteString("name", device.Name);
        json.WriteStartObject("containerEdits");
        json.WriteStartArray("env");
        foreach (string variable in Environment(Inside(device.Nodes.Keys.Min())))
        {
            json.WriteStringValue(variable);
        }

        json.WriteEndArray();
        WriteNodes(json, device);
        json.WriteStartArray("mounts");
        foreach ((int number, string node) in device.Nodes.OrderBy(node => node.Key))
        {
            json.WriteStartObject();
            json.WriteString("hostPath", device.Devices.GetValueOrDefault(number, node));
            json.WriteString("containerPath", Inside(number));
            json.WriteStartArray("options");
            json.WriteStringValue("bind");
            json.WriteStringValue("rw");
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>
    /// Writes the character devices, each under its own path: that allows the container to open them. Under another
    /// path, a runtime without root would take the host's device of that path.
    /// </summary>
    private static void WriteNodes(Utf8JsonWriter json, CdiDevice device)
    {
        if (device.Devices.Count == 0)
        {
            return;
        }

        json.WriteStartArray("deviceNodes");
        foreach ((_, string path) in device.Devices.OrderBy(node => node.Key))
        {
            json.WriteStartObject();
            json.WriteString("path", path);
            json.WriteString("permissions", "rw");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Returns the path by which programs in a container look for a TPM.</summary>
    private static string Inside(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"/dev/tpmrm{number}");

    /// <summary>
    /// Returns the environment variables that name a node to programs: tpm2-tools, tpm2-openssl, tpm2-pkcs11, and IBM's
    /// TSS, in this order.
    /// </summary>
    private static string[] Environment(string node) =>
    [
        $"TPM2TOOLS_TCTI=device:{node}",
        $"TPM2OPENSSL_TCTI=device:{node}",
        $"TPM2_PKCS11_TCTI=device:{node}",
        "TPM_INTERFACE_TYPE=dev",
        $"TPM_DEVICE={node}",
    ];
}
