using System.Text.Json;
using System.Text.Json.Serialization;
using TpmFs.Vm.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests;

/// <summary>/dev/tpmN goes away in the middle of commands and comes back, again and again (pull.py).</summary>
[Collection(GuestCollection.Name)]
public sealed class PullTests(Guest guest, ITestOutputHelper output)
{
    private const int Cycles = 8;

    /// <summary>
    /// What a daemon that leaked a megabyte or a thread in each cycle would pass: KiB, threads. A daemon that leaks
    /// nothing grows by some 2 MiB, until it has used up the garbage collector's budget.
    /// </summary>
    private const int MoreMemory = 6 * 1024;
    private const int MoreThreads = 2;

    [Fact]
    public void A_device_that_is_pulled_costs_the_command_under_way_and_nothing_else()
    {
        string json = guest.Run($"{Guest.Scripts}/pull.py {Cycles}", TimeSpan.FromMinutes(5)).Succeeded().Output;
        Pulls pulls = JsonSerializer.Deserialize<Pulls>(json, JsonSerializerOptions.Web)!;
        output.WriteLine(json);
        Assert.Equal(Cycles, pulls.Cycles.Length);
        Assert.All(pulls.Cycles, cycle =>
        {
            Assert.Equal("EIO", cycle.UnderWay);
            Assert.Equal(pulls.Before, (string[])[cycle.Key, cycle.Session, cycle.Other, cycle.Waiting]);
            Assert.StartsWith("ok", cycle.Random, StringComparison.Ordinal);
        });

        Cycle first = pulls.Cycles[1]; // what is needed for the first time is there by then
        Cycle last = pulls.Cycles[^1];
        Assert.InRange(last.Anonymous, 0, first.Anonymous + MoreMemory);
        Assert.InRange(last.Threads, 0, first.Threads + MoreThreads);
        Assert.Equal(first.Files, last.Files);
    }

    private sealed record Pulls(string[] Before, Cycle[] Cycles);

    private sealed record Cycle(
        [property: JsonPropertyName("under way")] string UnderWay,
        string Waiting,
        string Key,
        string Session,
        string Other,
        string Random,
        int Anonymous,
        int Threads,
        string[] Files);
}
