using TpmFs.Logs;

namespace TpmFs.Host;

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

    /// <summary>What stderr carries to the journal has its priority before each line (sd-daemon(3)).</summary>
    private static string AsErrors(string text) => "<3>" + text.Replace("\n", "\n<3>", StringComparison.Ordinal);

    private static int Say(string problem, int code)
    {
        string text = OutsideText.Lines($"tpmfs: {problem}");
        Console.Error.WriteLine(Journal.IsStderr ? AsErrors(text) : text);
        return code;
    }
}
