using System.Diagnostics;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>Programs that look at what is documented or generated.</summary>
internal static class Tool
{
    public static (int Code, string Output, string Error) Run(string name, params string[] arguments)
    {
        var start =
            new ProcessStartInfo(name, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromSeconds(60)))
        {
            process.Kill();
            Assert.Fail($"{name} {string.Join(' ', arguments)} did not end");
        }

        return (process.ExitCode, output.Result, error.Result);
    }
}
