using System.Text.Json;
using System.Text.Json.Serialization;

namespace TpmFs.Vm.Tests.Harness;

/// <summary>
/// A difference from the kernel's node that is meant to be: what either does, why, and how it shows, as regular
/// expressions of lines of run.py.
/// </summary>
/// <param name="Slow">True when it shows only in slow.txt.</param>
/// <param name="Ways">The ways to TpmFs by which it shows: "node", "device", "raw"; null for the first two.</param>
/// <param name="NotRun">Why no action can show it in the guest; null where actions do.</param>
internal sealed record Difference(
    string Name, string Kernel, string Tpmfs, string Why, string[] Cases, bool Slow = false, string[]? Ways = null,
    [property: JsonPropertyName("not run")] string? NotRun = null)
{
    /// <summary>Its row of a table of docs/differences.md.</summary>
    public string Row => $"| {Name} | {Kernel} | {Tpmfs} | {Why} |";

    /// <returns>True when it shows by this way.</returns>
    public bool IsOf(string way) => Ways?.Contains(way) ?? way is "node" or "device";

    public static Difference[] All { get; } = JsonSerializer.Deserialize<Difference[]>(
        File.ReadAllText(Path.Combine(Guest.Scripts, "differential", "differences.json")), JsonSerializerOptions.Web)!;
}

/// <summary>What a run of differential/run.py came to.</summary>
/// <param name="Actions">How many actions both sides were told.</param>
/// <param name="Found">The cases of differences.json that occurred, and how often.</param>
/// <param name="Unexplained">Every other difference.</param>
/// <param name="Failures">For random clients: the fewest actions that lead to such a one.</param>
internal sealed record DifferentialRun(
    int Actions, Dictionary<string, int> Found, string[] Unexplained, RandomFailure[]? Failures)
{
    /// <summary>Whether what takes long is asked for as well.</summary>
    public static bool IsSoak { get; } = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("TPMFS_SOAK"));

    /// <summary>Runs it in the guest.</summary>
    public static DifferentialRun In(Guest guest, string arguments, TimeSpan limit) =>
        JsonSerializer.Deserialize<DifferentialRun>(
            guest.Run($"TPMFS_SOAK={(IsSoak ? "1" : "")} {Guest.Scripts}/differential/run.py {arguments}", limit)
                .Succeeded().Output, JsonSerializerOptions.Web)!;
}

internal sealed record RandomFailure(string Client, string[] Actions);
