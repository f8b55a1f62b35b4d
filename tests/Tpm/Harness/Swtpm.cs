using System.Diagnostics;
using System.Globalization;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>A swtpm that a test runs itself, in a directory of its own.</summary>
internal sealed class Swtpm : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public Swtpm(bool withControl = true)
    {
        DataPath = _directory.File("s");
        string pidFile = _directory.File("pid");
        List<string> arguments =
        [
            "socket", "--tpm2", "--tpmstate", $"dir={_directory.Path}", "--server", $"type=unixio,path={DataPath}",
            "--flags", "not-need-init", "--pid", $"file={pidFile}", "--log", $"file={_directory.File("log")}", "--daemon",
        ];
        if (withControl)
        {
            arguments.AddRange(["--ctrl", $"type=unixio,path={DataPath}.ctrl"]);
        }

        // With --daemon the parent ends when the sockets listen.
        Run("swtpm", arguments);
        ProcessId = int.Parse(File.ReadAllText(pidFile), CultureInfo.InvariantCulture);
    }

    public int ProcessId { get; }

    public string DataPath { get; }

    public string Spec => $"swtpm:path={DataPath}";

    public ITpmTransport Connect()
    {
        ITpmTransport transport = TestTransport.Create(Spec);
        TpmClient.Connect(transport);
        return transport;
    }

    /// <summary>Runs a program to its end and returns what it wrote.</summary>
    public static string Run(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + errors.Result;
    }

    public void Dispose()
    {
        _ = ProcessCalls.Kill(ProcessId, ProcessCalls.SigKill);
        _directory.Dispose();
    }
}
