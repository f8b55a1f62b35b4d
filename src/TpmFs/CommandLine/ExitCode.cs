namespace TpmFs.CommandLine;

/// <summary>How tpmfs exits, and what it says on stderr when that is not in order.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>What went wrong is in the log.</summary>
    public const int Failed = 1;

    /// <summary>Something went wrong, which is no fault of the command line.</summary>
    public static int Problem(string problem) => Say(problem, 1);

    /// <summary>The command line is wrong.</summary>
    public static int Usage(string problem) => Say(problem, 2);

    private static int Say(string problem, int code)
    {
        Console.Error.WriteLine($"tpmfs: {problem}");
        return code;
    }
}
