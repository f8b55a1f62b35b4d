using TpmFs.Logs;

namespace TpmFs.Host;

/// <summary>How tpmfs exits, and what it says on stderr when that is not in order.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The exit status of a failure; the log says what went wrong.</summary>
    public const int Failed = 1;

    /// <summary>Something went wrong, which is no fault of the command line.</summary>
    public static int Problem(string problem) => Say(problem, 1);

    /// <summary>The command line is wrong.</summary>
    public static int Usage(string problem) => Say(problem, 2);

    /// <summary>
    /// Puts the priority of an error before each line, for a journal that reads stderr (sd-daemon(3)).
    /// </summary>
    private static string AsErrors(string text) => "<3>" + text.Replace("\n", "\n<3>", StringComparison.Ordinal);

    private static int Say(string problem, int code)
    {
        string text = OutsideText.Lines($"tpmfs: {problem}");
        Console.Error.WriteLine(Journal.IsStderr ? AsErrors(text) : text);
        return code;
    }
}
