using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A child with two sockets of ours and its output in a third. It has a session of its own and the signals by which a terminal or a
/// service manager ends a group of processes blocked: it ends when its sockets do, in the order that its owner wants, and it cannot
/// outlive an owner who is killed, since the kernel closes them. Used by one thread.
/// </summary>
internal sealed unsafe class ChildProcess : IDisposable
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
    public bool IsRunning => !_reaped && !TryReap(Native.WaitNoHang);

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
            || Native.Fcntl(outputPair.Theirs, Native.FcntlSetFlags, Native.OpenNonBlock) != 0)
        {
            problem = $"no sockets for {executable}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}";
            return null;
        }

        int[] inherited = [firstPair.Theirs, secondPair.Theirs];
        int error = Spawner.Spawn(executable, arguments(firstPair.Theirs, secondPair.Theirs), inherited, outputPair.Theirs, out int pid);
        if (error != 0)
        {
            problem = $"cannot start {executable}: {Marshal.GetPInvokeErrorMessage(error)}";
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
                TryReap(0);
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
            _ = Native.Kill(_pid, Native.SigKill);
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

    private bool TryReap(int options)
    {
        int status;
        int result;
        do
        {
            result = Native.WaitPid(_pid, &status, options);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == Native.ErrorInterrupted);

        // ECHILD: whoever started us ignores SIGCHLD, and the kernel has reaped it.
        _reaped = result != 0;
        return _reaped;
    }

    /// <summary>Two ends, both closed on exec and with this.</summary>
    private ref struct Pair
    {
        private int _ours;

        public Pair()
        {
            int* pair = stackalloc int[2];
            IsValid = Native.SocketPair(Native.AfUnix, Native.SockStream | Native.SockCloseOnExec, 0, pair) == 0;
            _ours = IsValid ? pair[0] : -1;
            Theirs = IsValid ? pair[1] : -1;
        }

        public bool IsValid { get; }

        public int Theirs { get; }

        public TpmSocket TakeOurs()
        {
            var socket = new Socket(new SafeSocketHandle(_ours, ownsHandle: true));
            _ours = -1;
            return new TpmSocket(socket);
        }

        public readonly void Dispose()
        {
            Close(_ours);
            Close(Theirs);
        }

        private static void Close(int descriptor)
        {
            if (descriptor >= 0)
            {
                _ = Native.Close(descriptor);
            }
        }
    }
}
