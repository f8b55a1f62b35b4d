using System.Text.Json;
using System.Text.Json.Serialization;
using TpmFs.Vm.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests;

/// <summary>
/// What the same work costs through /dev/tpmrmN and through TpmFs over /dev/tpmN (bench/kernel.py). Times are printed,
/// counts are held.
/// </summary>
[Collection(GuestCollection.Name)]
public sealed class CostTests(Guest guest, ITestOutputHelper output)
{
    [Fact]
    public void Tpmfs_needs_fewer_tpm_commands_than_the_kernel_wherever_something_is_held()
    {
        string json = guest.Run($"{Guest.Repository}bench/kernel.py", TimeSpan.FromMinutes(10)).Succeeded().Output;
        Comparison comparison = JsonSerializer.Deserialize<Comparison>(json, JsonSerializerOptions.Web)!;
        output.WriteLine(comparison.Table);
        Assert.NotEmpty(comparison.Rows);
        Assert.All(comparison.Rows, row =>
        {
            double kernel = row.TpmCommands["/dev/tpmrm0"];
            Assert.InRange(row.TpmCommands["TpmFs"], 0, row.Held > 0 ? Math.BitDecrement(kernel) : kernel);
        });
    }

    private sealed record Comparison(string Table, Row[] Rows);

    private sealed record Row(
        string Workload, int Held, [property: JsonPropertyName("tpm_commands")] Dictionary<string, double> TpmCommands);
}
