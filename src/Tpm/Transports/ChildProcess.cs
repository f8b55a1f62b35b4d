using System.Net.Sockets;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A child with two sockets of ours and its output in a third. It has a session of its own and the signals by which a terminal or a
/// service manager ends a group of processes blocked: it ends when its sockets do, in the order that its owner wants, and it cannot
/// outlive an owner who is killed, since the kernel closes them. Used by one thread.
/// </summary>
internal sealed class ChildProcess : IDisposable
{
    private const int KeptOutput = 4096;
    private static readonly TimeSpan s_killTimeout = TimeSpan.FromSeconds(5);

    private readonly int _pid;
    private readonly TpmSocket _output;
    private readonly byte[] _tail = new byte[KeptOutput];
    private int _tailLength;
    private bool _reaped;

    private ChildProcess(int pid, TpmSocket output)
    {
        _pid = pid;
        _output = output;
    }

    /// <summary>The process's id, for messages and tests.</summary>
    public int Id => _pid;

    /// <summary>True until the process has ended.</summary>
    public bool IsRunning => !_reaped && !TryReap(wait: false);

    /// <summary>
    /// Starts <paramref name="executable"/>; <paramref name="arguments"/> are told the numbers that the two sockets have in the child.
    /// </summary>
    public static ChildProcess? Start(
        string executable, Func<int, int, string[]> arguments, out TpmSocket? first, out TpmSocket? second, out string problem)
    {
        first = second = null;
        using var firstPair = new Pair();
        using var secondPair = new Pair();
        using var outputPair = new Pair();

        // What the child writes once the buffer is full is lost, and never holds it up.
        if (!firstPair.IsValid || !secondPair.IsValid || !outputPair.IsValid
            || SocketCalls.SetBlocking(outputPair.Theirs, blocking: false).IsError)
        {
            problem = $"no sockets for {executable}: {Errno.Last.Text()}";
            return null;
        }

        int[] inherited = [firstPair.TheirNumber, secondPair.TheirNumber];
        Errno error = Spawner.Spawn(
            executable, arguments(firstPair.TheirNumber, secondPair.TheirNumber), inherited, outputPair.TheirNumber, out int pid);
        if (error.IsError)
        {
            problem = $"cannot start {executable}: {error.Text()}";
            return null;
        }

        first = firstPair.TakeOurs();
        second = secondPair.TakeOurs();
        problem = string.Empty;
        return new ChildProcess(pid, outputPair.TakeOurs());
    }

    /// <summary>Waits for the end, which shows as the end of its output. Before this its sockets should be closed.</summary>
    public bool WaitForExit(Deadline deadline)
    {
        Span<byte> chunk = stackalloc byte[512];
        while (!_reaped)
        {
            IoStatus status = _output.Receive(chunk, deadline, out int count);
            if (status == IoStatus.TimedOut)
            {
                return false;
            }

            Keep(chunk[..count]);
            if (status == IoStatus.Closed)
            {
                TryReap(wait: true);
            }
        }

        return true;
    }

    /// <summary>The last lines of what it wrote.</summary>
    public string LastOutput()
    {
        Span<byte> chunk = stackalloc byte[512];
        while (!_output.IsQuiet && _output.Receive(chunk, Deadline.After(s_killTimeout), out int count) == IoStatus.Ok)
        {
            Keep(chunk[..count]);
        }

        return Encoding.UTF8.GetString(_tail, 0, _tailLength).Trim();
    }

    /// <summary>Kills it where it still runs.</summary>
    public void Dispose()
    {
        if (IsRunning)
        {
            _ = ProcessCalls.Kill(_pid, ProcessCalls.SigKill);
            WaitForExit(Deadline.After(s_killTimeout));
        }

        _output.Dispose();
    }

    private void Keep(ReadOnlySpan<byte> text)
    {
        int kept = Math.Min(_tailLength, KeptOutput - text.Length);
        _tail.AsSpan(_tailLength - kept, kept).CopyTo(_tail);
        text.CopyTo(_tail.AsSpan(kept));
        _tailLength = kept + text.Length;
    }

    private bool TryReap(bool wait)
    {
        // The kernel reaps children by itself where whoever started us ignores SIGCHLD: no child of that number is an end, too.
        _reaped = ProcessCalls.TryReap(_pid, wait);
        return _reaped;
    }

    /// <summary>Two ends, both closed on exec and with this.</summary>
    private sealed class Pair : IDisposable
    {
        private readonly SafeFileHandle _ours;

        public Pair()
        {
            IsValid = !SocketCalls.Pair(out _ours, out SafeFileHandle theirs).IsError;
            Theirs = theirs;
        }

        public bool IsValid { get; }

        public SafeFileHandle Theirs { get; }

        /// <summary>The number that the child knows its end by. Valid until this is disposed of.</summary>
        public int TheirNumber => (int)Theirs.DangerousGetHandle();

        public TpmSocket TakeOurs()
        {
            nint number = _ours.DangerousGetHandle();
            _ours.SetHandleAsInvalid();
            return new TpmSocket(new Socket(new SafeSocketHandle(number, ownsHandle: true)));
        }

        public void Dispose()
        {
            _ours.Dispose();
            Theirs.Dispose();
        }
    }
}
