using System.Diagnostics;

namespace TpmFs.Os.Tests;

/// <summary>A program that a test runs to its end.</summary>
internal static class Tool
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    public static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        Assert.True(process.WaitForExit(s_timeout), $"{program} did not end");
        Assert.Equal(0, process.ExitCode);
    }
}
