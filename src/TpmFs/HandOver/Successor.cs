using System.Diagnostics;
using System.Globalization;

namespace TpmFs.HandOver;

/// <summary>
/// The program that takes this daemon's place: what is installed under the path that this process was started from,
/// which may be another version by then.
/// </summary>
/// <param name="program">The path, as it was at the start: the kernel's own link names a file that was removed.</param>
internal sealed class Successor(string program)
{
    /// <summary>
    /// The runtime makes files for debuggers in /tmp before the program runs. Any user can keep it waiting there for as
    /// long as the user likes, by listing /tmp into memory that never arrives.
    /// </summary>
    private const string Diagnostics = "DOTNET_EnableDiagnostics";
    private static readonly TimeSpan s_trial = TimeSpan.FromSeconds(20);
    private static readonly string s_diagnostics = Environment.GetEnvironmentVariable(Diagnostics) ?? "0";

    /// <summary>Finds out, before anything is given up, whether the program starts.</summary>
    /// <param name="version">The text that the program prints about itself.</param>
    /// <param name="problem">The reason why the program does not start: a sentence.</param>
    public bool TryProbe(out string version, out string problem)
    {
        version = "";
        try
        {
            using Process trial = Process.Start(
                new ProcessStartInfo(program, "--version")
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                    Environment = { [Diagnostics] = s_diagnostics },
                })!;
            Task<string> output = trial.StandardOutput.ReadToEndAsync();
            Task<string> errors = trial.StandardError.ReadToEndAsync();
            if (!trial.WaitForExit(s_trial))
            {
                trial.Kill();
                problem = $"{program} --version did not end within {s_trial.TotalSeconds:0} s";
                return false;
            }

            version = OutsideText.Line(output.Result.Trim());
            problem = trial.ExitCode == 0
                ? "" : $"{program} --version failed: {OutsideText.Line(errors.Result.Trim())}";
            return trial.ExitCode == 0;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            problem = $"{program} cannot be started: {e.Message}";
            return false;
        }
    }

    /// <summary>
    /// Executes the program with this process's command line, and hands the descriptors to it. On success this does not
    /// return.
    /// </summary>
    /// <param name="stoppedAt">The time when this process stopped serving, as Stopwatch.GetTimestamp counts.</param>
    /// <returns>The reason why the program cannot be executed.</returns>
    public Errno Execute(KeptDescriptors kept, long stoppedAt)
    {
        string descriptors = kept.SetInheritable(inheritable: true);
        Errno error = ProcessCalls.Execute(
            program,
            [program, .. Environment.GetCommandLineArgs().Skip(1)],
            [
                .. EnvironmentVariables.AllExcept(Diagnostics), $"{Diagnostics}={s_diagnostics}",
                $"{InheritedDescriptors.Variable}={descriptors}",
                string.Create(CultureInfo.InvariantCulture, $"{InheritedDescriptors.SinceVariable}={stoppedAt}"),
            ]);
        kept.SetInheritable(inheritable: false);
        return error;
    }
}
