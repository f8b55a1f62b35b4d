using System.Text.Json;
using TpmFs.Cdi;

namespace TpmFs.Daemon.Tests.Cdi;

/// <summary>
/// Tests the output of 'tpmfs cdi' against the rules of the Container Device Interface ("JSON Definition" there).
/// Podman reads it in the integration tests.
/// </summary>
public sealed class CdiSpecificationTests
{
    [Fact]
    public void Each_managed_node_of_a_domain_is_mounted_where_programs_look_and_the_first_is_in_the_environment()
    {
        using JsonDocument text = Parse(new CdiDevice("web", Nodes(1, 0)));
        Assert.Equal("0.3.0", text.RootElement.GetProperty("cdiVersion").GetString());
        Assert.Equal("tpmfs.example/tpm", text.RootElement.GetProperty("kind").GetString());
        JsonElement device = Assert.Single(text.RootElement.GetProperty("devices").EnumerateArray());
        Assert.Equal("web", device.GetProperty("name").GetString());
        JsonElement edits = device.GetProperty("containerEdits");
        Assert.Equal(
            [("/run/tpmfs/domains/web/rm0", "/dev/tpmrm0"), ("/run/tpmfs/domains/web/rm1", "/dev/tpmrm1")],
            edits.GetProperty("mounts").EnumerateArray().Select(mount =>
                (mount.GetProperty("hostPath").GetString()!, mount.GetProperty("containerPath").GetString()!)));
        Assert.Equal(
            ["TPM2TOOLS_TCTI=device:/dev/tpmrm0", "TPM2OPENSSL_TCTI=device:/dev/tpmrm0",
                "TPM2_PKCS11_TCTI=device:/dev/tpmrm0", "TPM_INTERFACE_TYPE=dev", "TPM_DEVICE=/dev/tpmrm0"],
            edits.GetProperty("env").EnumerateArray().Select(variable => variable.GetString()!));
    }

    [Fact]
    public void The_environment_names_the_first_TPM_that_can_be_managed()
    {
        using JsonDocument text = Parse(new CdiDevice("web", Nodes(2, 1)));
        JsonElement edits = text.RootElement.GetProperty("devices")[0].GetProperty("containerEdits");
        Assert.Equal("TPM2TOOLS_TCTI=device:/dev/tpmrm1", edits.GetProperty("env")[0].GetString());
    }

    [Fact]
    public void A_node_with_a_character_device_is_given_as_that()
    {
        using JsonDocument text = Parse(new CdiDevice("web", Nodes(0, 1))
        {
            Devices = new Dictionary<int, string> { [1] = "/dev/tpmfs/web" },
        });
        JsonElement edits = text.RootElement.GetProperty("devices")[0].GetProperty("containerEdits");
        JsonElement node = Assert.Single(edits.GetProperty("deviceNodes").EnumerateArray());
        Assert.Equal(["path", "permissions"], Keys(node));
        Assert.Equal("/dev/tpmfs/web", node.GetProperty("path").GetString());
        Assert.Equal(
            ["/run/tpmfs/domains/web/rm0", "/dev/tpmfs/web"],
            edits.GetProperty("mounts").EnumerateArray().Select(mount => mount.GetProperty("hostPath").GetString()!));
    }

    [Fact]
    public void A_specification_has_the_fields_that_the_interface_knows_and_no_other()
    {
        using JsonDocument text = Parse(new CdiDevice("web", Nodes(0)), new CdiDevice("db", Nodes(0)));
        JsonElement root = text.RootElement;
        Assert.Equal(["cdiVersion", "kind", "devices"], Keys(root));
        Assert.All(root.GetProperty("devices").EnumerateArray(), device =>
        {
            Assert.Equal(["name", "containerEdits"], Keys(device));
            JsonElement edits = device.GetProperty("containerEdits");
            Assert.Equal(["env", "mounts"], Keys(edits));
            Assert.All(edits.GetProperty("env").EnumerateArray(), variable =>
                Assert.Matches("^[A-Z0-9_]+=.+$", variable.GetString()));
            Assert.All(edits.GetProperty("mounts").EnumerateArray(), mount =>
            {
                Assert.Equal(["hostPath", "containerPath", "options"], Keys(mount));
                Assert.All(mount.GetProperty("options").EnumerateArray(), option =>
                    Assert.Equal(JsonValueKind.String, option.ValueKind));
            });
        });
    }

    [Theory]
    [InlineData("web", true)]
    [InlineData("w", true)]
    [InlineData("2-web_a.b:c", true)]
    [InlineData("", false)]
    [InlineData("_web", false)]
    [InlineData("web.", false)]
    [InlineData("-", false)]
    [InlineData("web=db", false)]
    [InlineData("wéb", false)]
    public void A_devices_name_is_one_that_the_interface_takes(string name, bool isName) =>
        Assert.Equal(isName, CdiDevice.IsName(name));

    private static Dictionary<int, string> Nodes(params int[] numbers) =>
        numbers.ToDictionary(number => number, number => $"/run/tpmfs/domains/web/rm{number}");

    private static JsonDocument Parse(params CdiDevice[] devices) => JsonDocument.Parse(CdiSpecification.Of(devices));

    private static string[] Keys(JsonElement of) => [.. of.EnumerateObject().Select(property => property.Name)];
}
