using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Harness;

/// <summary>A swtpm that a test runs itself, in a directory of its own.</summary>
internal sealed class Swtpm : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    /// <param name="withControl">True when it has a control channel.</param>
    /// <param name="closes">True when it closes its data connection after each response.</param>
    /// <param name="tcp">True when it listens on TCP ports. 'swtpm socket -p PORT' closes each connection.</param>
    public Swtpm(bool withControl = true, bool closes = false, bool tcp = false)
    {
        DataPath = _directory.File("s");
        int port = tcp ? FindTwoPorts() : 0;
        Spec = tcp ? $"swtpm:host=127.0.0.1,port={port}" : $"swtpm:path={DataPath}";
        string pidFile = _directory.File("pid");
        List<string> arguments =
        [
            "socket", "--tpm2", "--tpmstate", $"dir={_directory.Path}",
            "--flags", "not-need-init", "--pid", $"file={pidFile}", "--daemon",
            "--log", $"file={_directory.File("log")}",
        ];
        arguments.AddRange(
            tcp && closes ? ["-p", $"{port}"]
                : tcp ? ["--server", $"type=tcp,port={port}"]
                : ["--server", $"type=unixio,path={DataPath}{(closes ? ",disconnect" : string.Empty)}"]);
        string control = tcp ? $"type=tcp,port={port + 1}" : $"type=unixio,path={DataPath}.ctrl";
        if (withControl)
        {
            arguments.AddRange(["--ctrl", control]);
        }

        // With --daemon the parent ends when the sockets listen.
        Run("swtpm", arguments);
        ProcessId = int.Parse(File.ReadAllText(pidFile), CultureInfo.InvariantCulture);
    }

    public int ProcessId { get; }

    public string DataPath { get; }

    public string Spec { get; }

    public ITpmTransport Connect()
    {
        ITpmTransport transport = TestTransport.Create(Spec);
        TpmClient.Connect(transport);
        return transport;
    }

    /// <summary>A port that is free, as is the one after it.</summary>
    private static int FindTwoPorts()
    {
        for (int port = 20000 + (Environment.ProcessId % 20000); ; port += 2)
        {
            try
            {
                using var first = new TcpListener(IPAddress.Loopback, port);
                using var second = new TcpListener(IPAddress.Loopback, port + 1);
                first.Start();
                second.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has one of them: the next two.
            }
        }
    }

    /// <summary>Runs a program to its end and returns what it wrote.</summary>
    public static string Run(string program, IEnumerable<string> arguments)
    {
        var start =
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
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
