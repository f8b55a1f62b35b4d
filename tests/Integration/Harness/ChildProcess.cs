using System.Diagnostics;
using System.Text;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>The end of a child process.</summary>
internal sealed record Outcome(int ExitCode, string Output, string Error)
{
    /// <summary>Fails with all that was printed unless the exit code is 0.</summary>
    public Outcome Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}\n{Output}\n{Error}");
        return this;
    }
}

/// <summary>A child process whose output is kept. It is killed, by its id, when this is disposed of.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly Task<Outcome> _outcome;

    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">Variables to add to the environment.</param>
    /// <param name="onLine">Gets each line of standard output.</param>
    public ChildProcess(
        IEnumerable<string> command, IReadOnlyDictionary<string, string>? environment = null,
        Action<string>? onLine = null)
    {
        string[] words = [.. command];
        Command = string.Join(' ', words);
        var start = new ProcessStartInfo(words[0], words[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _outcome = RunAsync(onLine);
    }

    public string Command { get; }

    public int Id => _process.Id;

    public bool HasExited => _outcome.IsCompleted;

    public StreamWriter Input => _process.StandardInput;

    /// <summary>Gets the text that it has printed so far, on standard output and on standard error.</summary>
    public string Printed => Text(_output) + Text(_error);

    public Outcome Wait(TimeSpan? limit = null) =>
        _outcome.Wait($"end of '{Command}'", Describe, limit ?? Deadline.Client);

    public void Send(int signal) => Signals.Send(Id, signal);

    /// <summary>For a failed test: what the process is doing and what it printed.</summary>
    public string Describe() => $"'{Command}', process {Id}, {State()}, printed:\n{Printed}";

    public void Dispose()
    {
        if (!HasExited)
        {
            _process.Kill();
        }

        Wait(Deadline.Step);
        _process.Dispose();
    }

    /// <summary>A line per thread: its state, and where in the kernel it waits.</summary>
    private string State()
    {
        if (HasExited)
        {
            return $"exited with {_outcome.Result.ExitCode}";
        }

        try
        {
            return string.Join(", ", Directory.GetDirectories($"/proc/{Id}/task").Select(task =>
                File.ReadLines($"{task}/status").First(line => line.StartsWith("State:", StringComparison.Ordinal))
                    + " in " + File.ReadAllText($"{task}/wchan")));
        }
        catch (IOException)
        {
            return "ending";
        }
    }

    private async Task<Outcome> RunAsync(Action<string>? onLine)
    {
        var copied = Task.WhenAll(
            CopyAsync(_process.StandardOutput, _output, onLine), CopyAsync(_process.StandardError, _error, null));
        await _process.WaitForExitAsync().ConfigureAwait(false);
        await copied.ConfigureAwait(false);
        return new Outcome(_process.ExitCode, Text(_output), Text(_error));
    }

    private static async Task CopyAsync(StreamReader from, StringBuilder to, Action<string>? onLine)
    {
        while (await from.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            lock (to)
            {
                to.Append(line).Append('\n');
            }

            onLine?.Invoke(line);
        }
    }

    private static string Text(StringBuilder builder)
    {
        lock (builder)
        {
            return builder.ToString();
        }
    }
}
