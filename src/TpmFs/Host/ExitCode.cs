using TpmFs.Logs;

namespace TpmFs.Host;

/// <summary>The exit codes of tpmfs, and its message on stderr when there was an error.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The exit status of a failure; the log says what went wrong.</summary>
    public const int Failed = 1;

    /// <summary>Reports a failure that is no fault of the command line.</summary>
    public static int Problem(string problem) => Say(problem, 1);

    /// <summary>Reports a wrong command line.</summary>
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
