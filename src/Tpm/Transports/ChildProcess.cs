using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A child process that is connected by two sockets, with its output in a third. It has a session of its own, and
/// blocks the signals with which a terminal or a service manager ends a group of processes. It ends when its owner
/// closes the sockets, or when the kernel closes them because the owner was killed. Used by one thread at a time.
/// </summary>
internal sealed class ChildProcess : IDisposable
{
    private const int KeptOutput = 4096;
    private static readonly TimeSpan s_killTimeout = TimeSpan.FromSeconds(5);

    private readonly int _pid;
    private readonly SafeFileHandle? _descriptor;
    private readonly TpmSocket _output;
    private readonly byte[] _tail = new byte[KeptOutput];
    private int _tailLength;
    private volatile bool _reaped;

    private ChildProcess(int pid, SafeFileHandle? descriptor, TpmSocket output)
    {
        (_pid, _descriptor, _output) = (pid, descriptor, output);
    }

    /// <summary>
    /// Gets the descriptor that refers to this process and to no other; null where the kernel has no such descriptors.
    /// </summary>
    public SafeHandle? Descriptor => _descriptor;

    /// <summary>
    /// Gets the descriptor that keeps the process's output open. A process whose output is closed ends when it writes.
    /// </summary>
    public SafeHandle Output => _output.Descriptor;

    /// <summary>
    /// The process's id; 0 once it has ended, when the kernel may give the id to another. Any thread.
    /// </summary>
    public int Id => _reaped ? 0 : _pid;

    /// <summary>True until the process has ended.</summary>
    public bool IsRunning => !_reaped && (_descriptor is { } known
        ? !Polling.IsReadable(known) || !TryReap(wait: true)
        : !TryReap(wait: false));

    /// <summary>
    /// Goes on with a process that an earlier process started, and which need not be a child of this one. Takes the
    /// descriptors over. Returns null when the process has ended. The earlier process may have been killed while it had
    /// the other one on a single CPU, in class SCHED_IDLE: that one runs as a child of this process would.
    /// </summary>
    public static ChildProcess? Adopt(SafeFileHandle process, SafeFileHandle output)
    {
        int pid = ProcessCalls.IdOf(process);
        var adopted = new ChildProcess(pid, process, TpmSocket.Adopt(output));
        if (pid != 0 && adopted.IsRunning)
        {
            ThreadCalls.PlaceAsMainThread(pid);
            return adopted;
        }

        adopted.Close();
        return null;
    }

    /// <summary>Starts a program.</summary>
    public static ChildProcess? Start(
        string executable,
        Func<int, int, string[]> arguments,
        out TpmSocket? first,
        out TpmSocket? second,
        out string problem)
    {
        first = second = null;
        using var firstPair = new Pair();
        using var secondPair = new Pair();
        using var outputPair = new Pair();

        // The child never waits for its output to be read: what does not fit into the socket's buffer is lost.
        if (!firstPair.IsValid || !secondPair.IsValid || !outputPair.IsValid
            || SocketCalls.SetBlocking(outputPair.Theirs, blocking: false).IsError)
        {
            problem = $"cannot make sockets for {executable}: {Errno.Last.Text()}";
            return null;
        }

        int[] inherited = [firstPair.TheirNumber, secondPair.TheirNumber];
        string[] words = arguments(firstPair.TheirNumber, secondPair.TheirNumber);
        Errno error = Spawner.Spawn(executable, words, inherited, outputPair.TheirNumber, out int pid);
        if (error.IsError)
        {
            problem = $"cannot start {executable}: {error.Text()}";
            return null;
        }

        first = firstPair.TakeOurs();
        second = secondPair.TakeOurs();
        problem = string.Empty;
        return new ChildProcess(pid, ProcessCalls.Open(pid), outputPair.TakeOurs());
    }

    /// <summary>
    /// Waits until the process has ended, which shows as the end of its output. The caller closes the process's sockets
    /// first. Returns false when the deadline passes before.
    /// </summary>
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

    /// <summary>Returns the last lines that the process wrote.</summary>
    public string LastOutput()
    {
        Span<byte> chunk = stackalloc byte[512];
        while (!_output.IsQuiet && _output.Receive(chunk, Deadline.After(s_killTimeout), out int count) == IoStatus.Ok)
        {
            Keep(chunk[..count]);
        }

        return Encoding.UTF8.GetString(_tail, 0, _tailLength).Trim();
    }

    /// <summary>Kills the process if it still runs.</summary>
    public void Dispose()
    {
        if (IsRunning)
        {
            Kill();
            WaitForExit(Deadline.After(s_killTimeout));
        }

        Close();
    }

    private void Close()
    {
        _output.Dispose();
        _descriptor?.Dispose();
    }

    private void Kill()
    {
        if (_descriptor is { } known)
        {
            ProcessCalls.Kill(known, ProcessCalls.SigKill);
        }
        else
        {
            _ = ProcessCalls.Kill(_pid, ProcessCalls.SigKill);
        }
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
        // The kernel reaps children itself where the process that started us ignores SIGCHLD. So a child that does not
        // exist any more has ended, too.
        _reaped = ProcessCalls.TryReap(_pid, wait);
        return _reaped;
    }

    /// <summary>The two ends of a socket pair, which are closed on exec and with this object.</summary>
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

        /// <summary>The number under which the child knows its end. Valid until this object is disposed.</summary>
        public int TheirNumber => (int)Theirs.DangerousGetHandle();

        public TpmSocket TakeOurs() => TpmSocket.Adopt(_ours);

        public void Dispose()
        {
            _ours.Dispose();
            Theirs.Dispose();
        }
    }
}
