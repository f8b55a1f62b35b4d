namespace TpmFs.Os;

/// <summary>System calls on signals, for a process that executes another program in its place.</summary>
public static unsafe class SignalCalls
{
    /// <summary>Bytes of a sigset_t.</summary>
    internal const int SetSize = 128;

    private const int Block = 0; // SIG_BLOCK
    private const int Unblock = 1; // SIG_UNBLOCK
    private const nint Default = 0; // SIG_DFL

    /// <summary>
    /// Has signals wait that the calling thread gets. A program that this thread executes begins with them blocked, and
    /// with those that wait.
    /// </summary>
    public static void BlockInThread(ReadOnlySpan<int> signals) => Mask(Block, signals);

    /// <summary>Has the calling thread take signals, also those that wait.</summary>
    public static void UnblockInThread(ReadOnlySpan<int> signals) => Mask(Unblock, signals);

    /// <summary>Sends a signal to the calling thread.</summary>
    public static void RaiseInThread(int signal) => _ = LibC.pthread_kill(LibC.pthread_self(), signal);

    /// <summary>Gives signals that end a process their default effect, whatever handles them in this process.</summary>
    public static void RestoreDefault(ReadOnlySpan<int> signals)
    {
        foreach (int signal in signals)
        {
            _ = LibC.signal(signal, Default);
        }
    }

    /// <summary>Makes a sigset_t.</summary>
    internal static void Fill(Span<byte> set, ReadOnlySpan<int> signals)
    {
        set.Clear();
        foreach (int signal in signals)
        {
            set[(signal - 1) / 8] |= (byte)(1 << ((signal - 1) % 8));
        }
    }

    private static void Mask(int how, ReadOnlySpan<int> signals)
    {
        byte* set = stackalloc byte[SetSize];
        Fill(new Span<byte>(set, SetSize), signals);
        _ = LibC.pthread_sigmask(how, set, null);
    }
}
