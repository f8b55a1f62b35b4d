using System.Diagnostics.CodeAnalysis;

namespace TpmFs.Host;

/// <summary>The daemon's own directories.</summary>
internal static class Directories
{
    /// <summary>
    /// Makes a directory for this user alone, where it is missing. Sees that nobody else has a say in it or in what is
    /// in it, and that files can be made in it.
    /// </summary>
    /// <param name="path">The directory.</param>
    /// <param name="what">The purpose of the directory, for a person.</param>
    /// <param name="advice">The remedy for a person where it cannot be made or written.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    public static bool TryPrepare(string path, string what, string advice, out string problem)
    {
        if (!SafeDirectory.TryOpen(path, creates: true, out SafeDirectory? directory, out Errno error, out problem))
        {
            problem = error.IsError ? $"the {what} {path} cannot be made: {error.Text()}. {advice}"
                : $"the {what} cannot be used: {problem}";
            return false;
        }

        using (directory)
        {
            error = directory.CheckWritable();
            problem = error.IsError ? $"the {what} {path} cannot be written: {error.Text()}. {advice}"
                : directory.WhyNotItsContent() is { Length: > 0 } wrong ? $"the {what} cannot be used: {wrong}"
                : "";
            return problem.Length == 0;
        }
    }

    /// <summary>Locks a file until it is disposed of, or the process ends however it does.</summary>
    /// <param name="path">The file.</param>
    /// <param name="taken">The message for a person when another process holds it.</param>
    /// <param name="held">The lock.</param>
    /// <param name="problem">The error: its cause, its place, and the remedy.</param>
    public static bool TryLock(string path, string taken, [NotNullWhen(true)] out FileLock? held, out string problem)
    {
        bool isTaken = FileLock.TryTake(path, out held, out FileLockRefusal refusal);
        problem = isTaken ? "" : refusal.IsHeld ? taken
            : refusal.Error.IsError ? $"{refusal.Problem}. Make room there, and see who may write there"
            : refusal.Problem;
        return isTaken;
    }
}
