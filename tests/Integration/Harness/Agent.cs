using System.Collections.Concurrent;
using System.Globalization;

namespace TpmFs.Integration.Tests.Harness;

/// <summary>The result of an agent's operation: a number, or bytes, or the name of an errno value.</summary>
internal sealed record Reply(long Value, byte[] Data, string? Errno)
{
    public static Reply Parse(string line) => line[0] switch
    {
        '=' => new Reply(long.Parse(line.AsSpan(2), CultureInfo.InvariantCulture), [], null),
        '+' => new Reply(0, Convert.FromHexString(line.AsSpan(2)), null),
        _ => new Reply(-1, [], line[2..]),
    };
}

/// <summary>
/// A child process that opens, reads and writes as it is told (clients/agent.py): the test's own process never touches
/// the mount, so it cannot be caught in it.
/// </summary>
internal sealed class Agent : IDisposable
{
    private readonly ConcurrentQueue<TaskCompletionSource<Reply>> _pending = [];
    private readonly ChildProcess _process;

    /// <param name="sandbox">The sandbox that it runs in.</param>
    /// <param name="user">The user it runs as; root when left out.</param>
    /// <param name="container">The words of a command that runs another: what puts it in a container.</param>
    public Agent(Sandbox sandbox, User? user = null, params string[] container) =>
        _process = sandbox.Start(
            user ?? User.Root, [.. container, "/usr/bin/python3", Path.Combine(sandbox.Scripts, "clients", "agent.py")],
            onLine: Answered);

    public int Id => _process.Id;

    /// <summary>Begins an operation; operations of one agent are done one after the other.</summary>
    public Task<Reply> Begin(string operation, params object[] arguments)
    {
        var reply = new TaskCompletionSource<Reply>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending.Enqueue(reply);
        _process.Input.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{operation} {string.Join(' ', arguments)}"));
        _process.Input.Flush();
        return reply.Task;
    }

    public Reply Call(string operation, params object[] arguments) => End(Begin(operation, arguments));

    public Reply End(Task<Reply> operation) => operation.Wait("answer of the agent", _process.Describe);

    /// <summary>Opens a file; it must succeed.</summary>
    public Opener Open(string path, string flags = "O_RDWR")
    {
        Reply opened = Call("open", path, flags);
        Assert.Null(opened.Errno);
        return new Opener(this, (int)opened.Value);
    }

    /// <summary>Waits until the agent is inside a system call whose first argument is this descriptor.</summary>
    public void WaitUntilBlockedIn(int descriptor) => Deadline.Poll(
        () => File.ReadAllText($"/proc/{Id}/syscall").Split(' ') is [_, var first, ..] && first == $"0x{descriptor:x}",
        $"the agent waits for descriptor {descriptor}",
        _process.Describe);

    /// <summary>Waits until the agent is inside poll(2).</summary>
    public void WaitUntilPolling() => Deadline.Poll(
        () => File.ReadAllText($"/proc/{Id}/wchan").Contains("poll", StringComparison.Ordinal), "the agent polls",
        _process.Describe);

    public void Send(int signal) => _process.Send(signal);

    /// <summary>Kills it with SIGKILL and waits until it is gone.</summary>
    public void Kill() => _process.Dispose();

    /// <summary>Has it end by itself, as it does when its input ends, and waits until it is gone.</summary>
    public void End()
    {
        _process.Input.Close();
        _process.Wait(Deadline.Step);
    }

    public void Dispose() => _process.Dispose();

    private void Answered(string line)
    {
        Assert.True(_pending.TryDequeue(out TaskCompletionSource<Reply>? reply), line);
        reply.SetResult(Reply.Parse(line));
    }
}
