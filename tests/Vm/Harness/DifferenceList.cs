using System.Text.Json;

namespace TpmFs.Vm.Tests.Harness;

/// <summary>
/// A difference from /dev/tpmrm0 that is meant to be: what either does, why, and how it shows, as regular expressions
/// of lines of run.py.
/// </summary>
/// <param name="Slow">Whether it shows only in slow.txt.</param>
/// <param name="Only">The one way to TpmFs by which it shows, "node" or "device"; null for both.</param>
internal sealed record Difference(
    string Name, string Kernel, string Tpmfs, string Why, string[] Cases, bool Slow = false, string? Only = null)
{
    /// <summary>Its row of a table of docs/differences.md.</summary>
    public string Row => $"| {Name} | {Kernel} | {Tpmfs} | {Why} |";

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
