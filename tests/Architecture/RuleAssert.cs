namespace TpmFs.Architecture.Tests;

/// <summary>What breaks a rule.</summary>
internal static class RuleAssert
{
    /// <summary>Fails unless nothing breaks the rule.</summary>
    /// <param name="faults">What breaks it, each with what a reader of the failure has to know of it.</param>
    /// <param name="rule">The rule, and what to do where it is broken.</param>
    public static void Holds(IReadOnlyDictionary<string, string> faults, string rule)
    {
        string list = string.Join('\n', faults.Select(fault => $"{fault.Key}\n{fault.Value}".TrimEnd()));
        Assert.True(list.Length == 0, $"{rule}\n\nThese break the rule:\n\n{list}\n");
    }
}
