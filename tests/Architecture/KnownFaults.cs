namespace TpmFs.Architecture.Tests;

/// <summary>
/// A list of what breaks a rule today. A test holds it to be exact: what breaks the rule and is not on the list fails,
/// and so does what is on the list and breaks the rule no more. So the list can only get shorter.
/// </summary>
internal static class KnownFaults
{
    /// <summary>Fails unless the faults are those of the list.</summary>
    /// <param name="known">The list, which is an array in the test's class.</param>
    /// <param name="faults">
    /// What was found: a line as the list has it, and what a reader of the failure has to know of it.
    /// </param>
    /// <param name="rule">The rule, and what to do where it is broken.</param>
    public static void Compare(
        IReadOnlyCollection<string> known, IReadOnlyDictionary<string, string> faults, string rule)
    {
        string added = string.Join(
            '\n',
            faults.Where(fault => !known.Contains(fault.Key)).Select(fault => $"{fault.Key}\n{fault.Value}".TrimEnd()));
        Assert.True(added.Length == 0, $"{rule}\n\nThese break the rule:\n\n{added}\n");

        string mended = string.Join('\n', known.Except(faults.Keys).Select(fault => $"    \"{fault}\","));
        Assert.True(
            mended.Length == 0, $"These break the rule no more. Remove them from the list in the test:\n{mended}\n");
    }
}
