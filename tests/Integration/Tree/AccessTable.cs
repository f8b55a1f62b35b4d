using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// A table of permissions: a line of names, then a line for each operation with an outcome for each name: "ok", "no"
/// (EACCES or EPERM), or another errno. A name's operations are done in the order of the lines; the names' turns in
/// their own order.
/// </summary>
internal sealed class AccessTable
{
    private readonly string[] _names;
    private readonly (string[] Operation, string[] Outcomes)[] _rows;

    public AccessTable(string text)
    {
        string[][] lines = [.. text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        _names = lines[0];
        _rows = [.. lines[1..].Select(words => (words[..^_names.Length], words[^_names.Length..]))];
    }

    /// <summary>Does it all, and fails with every outcome that is another one.</summary>
    /// <param name="agents">For each name an agent in the directory that the operations' paths start at.</param>
    public void Check(IReadOnlyDictionary<string, Agent> agents)
    {
        string[] wrong = [.. _names.SelectMany((name, column) => _rows.Select(row =>
        {
            string outcome = Try(agents[name], row.Operation);
            string expected = row.Outcomes[column];
            return outcome == expected ? "" : $"{name}: {string.Join(' ', row.Operation)}: {outcome}, not {expected}";
        })).Where(line => line.Length > 0)];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    /// <summary>
    /// The raw nodes have one opener at a time, and close(2) does not wait until the last one's end is known.
    /// </summary>
    private static string Try(Agent agent, string[] operation)
    {
        string? errno = null;
        Deadline.Poll(
            () => (errno = agent.Call(operation[0], [.. operation[1..]]).Errno) != "EBUSY",
            string.Join(' ', operation));
        return errno switch
        {
            null => "ok",
            "EACCES" or "EPERM" => "no",
            _ => errno,
        };
    }
}
