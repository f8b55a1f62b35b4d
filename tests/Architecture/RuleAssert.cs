namespace TpmFs.Architecture.Tests;

/// <summary>A place that breaks a rule.</summary>
internal static class RuleAssert
{
    /// <summary>Fails unless nothing breaks the rule.</summary>
    /// <param name="faults">The places that break it, each with the facts that a reader of the failure needs.</param>
    /// <param name="rule">The rule, and what to do where it is broken.</param>
    public static void Holds(IReadOnlyDictionary<string, string> faults, string rule)
    {
        string list = string.Join('\n', faults.Select(fault => $"{fault.Key}\n{fault.Value}".TrimEnd()));
        Assert.True(list.Length == 0, $"{rule}\n\nThese break the rule:\n\n{list}\n");
    }
}
