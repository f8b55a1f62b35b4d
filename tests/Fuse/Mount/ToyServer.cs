using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace TpmFs.Fuse.Tests.Mount;

/// <summary>
/// This assembly's own program (Host/Program.cs), serving a toy filesystem inside a <see cref="MountNamespace"/>.
/// </summary>
internal sealed class ToyServer : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);
    private readonly Process _process;

    /// <summary>
    /// Gets the lines that it printed. Lines may still come while this is disposed of, so nothing here may throw at a
    /// late one.
    /// </summary>
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly ConcurrentQueue<string> _seen = [];

    private ToyServer(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data is null ? string.Empty : $"stderr {line.Data}");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>The command that runs the program, but for its arguments.</summary>
    public static string[] Command => [DotNet, typeof(ToyServer).Assembly.Location];

    public static string DotNet =>
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet"));

    public int Id => _process.Id;

    /// <summary>Starts it on the namespace's mount point and waits until it serves.</summary>
    public static ToyServer Start(MountNamespace space, params string[] arguments)
    {
        ToyServer server = Launch(space, [.. Command, space.MountPoint, space.LockFile, .. arguments]);
        server.WaitFor("ready");
        return server;
    }

    /// <summary>Starts it where it must refuse, and gives why.</summary>
    public static string Refused(MountNamespace space, string mountPoint, params string[] arguments)
    {
        using ToyServer server = Launch(space, [.. Command, mountPoint, space.LockFile, .. arguments]);
        string problem = server.WaitFor("refused ");
        Assert.Equal(2, server.WaitForExit());
        return problem;
    }

    public static ToyServer Launch(MountNamespace space, params string[] command) =>
        new(Process.Start(space.Inside(command))!);

    public void Order(string order)
    {
        _process.StandardInput.WriteLine(order);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits for a line that starts so.</summary>
    public string WaitFor(string start)
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < s_deadline && TryNextLine(s_deadline - clock.Elapsed, out string line))
        {
            _seen.Enqueue(line);
            if (line.StartsWith(start, StringComparison.Ordinal))
            {
                return line;
            }
        }

        throw new InvalidOperationException($"the server never said '{start}' but: {string.Join(" | ", _seen)}");
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Orders it to stop; it must say that it was stopped, and exit with 0.</summary>
    public void Stop()
    {
        Order("stop");
        WaitFor("ended Stopped");
        Assert.Equal(0, WaitForExit());
    }

    public int WaitForExit()
    {
        Assert.True(_process.WaitForExit(s_deadline), "the server does not exit");
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }

    /// <summary>False when it said nothing more in that time, or ended.</summary>
    private bool TryNextLine(TimeSpan time, out string line)
    {
        using var timeout = new CancellationTokenSource(time);
        try
        {
            line = _lines.Reader.ReadAsync(timeout.Token).AsTask().GetAwaiter().GetResult();
            return true;
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelClosedException)
        {
            line = string.Empty;
            return false;
        }
    }

    private void Add(string? line)
    {
        if (line is null)
        {
            _lines.Writer.TryComplete();
        }
        else if (line.Length > 0)
        {
            _lines.Writer.TryWrite(line);
        }
    }
}
