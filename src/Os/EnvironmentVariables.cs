using System.Collections;

namespace TpmFs.Os;

/// <summary>Lists this process's environment for the programs that the process executes.</summary>
public static class EnvironmentVariables
{
    /// <summary>Returns NAME=VALUE for each variable, except those of some names.</summary>
    public static IEnumerable<string> AllExcept(params IReadOnlyCollection<string> names)
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (!names.Contains((string)variable.Key))
            {
                yield return $"{variable.Key}={variable.Value}";
            }
        }
    }
}
