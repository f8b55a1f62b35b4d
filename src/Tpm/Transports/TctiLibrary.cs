using System.Runtime.InteropServices;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// libtss2-tctildr, which finds and loads TCTI modules (TCG TSS 2.0 TPM Command Transmission Interface;
/// tss2/tss2_tctildr.h). It is loaded when a TCTI is first needed, and need not be installed otherwise.
/// </summary>
internal static unsafe class TctiLibrary
{
    private const string Name = "libtss2-tctildr.so.0";
    private static readonly Lazy<nint> s_library = new(() => NativeLibrary.TryLoad(Name, out nint library)
        ? library
        : 0);

    /// <summary>
    /// Makes a TCTI's context, which may take as long as the module likes. Returns null, with a problem, when that
    /// fails.
    /// </summary>
    /// <param name="configuration">NAME:CONF, as TSS programs take it.</param>
    public static TctiContext? TryInitialize(string configuration, out string problem)
    {
        if (s_library.Value == 0)
        {
            problem = $"tcti:{configuration} needs {Name}, which is not there; install it "
                + "(on Debian: apt install libtss2-tctildr0, and the package of the TCTI itself, such as "
                + "libtss2-tcti-mssim0)";
            return null;
        }

        if (!NativeLibrary.TryGetExport(s_library.Value, "Tss2_TctiLdr_Initialize", out nint initialize)
            || !NativeLibrary.TryGetExport(s_library.Value, "Tss2_TctiLdr_Finalize", out nint finalize))
        {
            problem = $"{Name} is not the library of that name of tpm2-tss";
            return null;
        }

        CommonContext* context = null;
        byte* text = (byte*)Marshal.StringToCoTaskMemUTF8(configuration);
        uint result = ((delegate* unmanaged[Cdecl]<byte*, CommonContext**, uint>)initialize)(text, &context);
        Marshal.FreeCoTaskMem((nint)text);
        if (result != TctiRc.Success || context is null)
        {
            problem = $"the TCTI \"{configuration}\" does not start: {TctiRc.Describe(result)}. "
                + "Is its package installed (libtss2-tcti-mssim0 for mssim), and is its TPM running?";
            return null;
        }

        var made = new TctiContext(context, (delegate* unmanaged[Cdecl]<CommonContext**, void>)finalize);
        if (context->Version >= 1 && context->Transmit is not null && context->Receive is not null)
        {
            problem = string.Empty;
            return made;
        }

        made.Dispose();
        problem = $"the TCTI \"{configuration}\" can neither send nor receive";
        return null;
    }

    /// <summary>TSS2_TCTI_CONTEXT_COMMON_V1 (tss2/tss2_tcti.h).</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct CommonContext
    {
        public ulong Magic;
        public uint Version;
        public delegate* unmanaged[Cdecl]<CommonContext*, nuint, byte*, uint> Transmit;
        public delegate* unmanaged[Cdecl]<CommonContext*, nuint*, byte*, int, uint> Receive;
        public delegate* unmanaged[Cdecl]<CommonContext*, void> Finalize;
        public delegate* unmanaged[Cdecl]<CommonContext*, uint> Cancel;
        public delegate* unmanaged[Cdecl]<CommonContext*, PollDescriptor*, nuint*, uint> GetPollHandles;
        public delegate* unmanaged[Cdecl]<CommonContext*, byte, uint> SetLocality;
    }
}

/// <summary>
/// A TCTI's functions. Each returns a TSS2_RC, which is <see cref="TctiRc.NotImplemented"/> where the TCTI lacks the
/// function. TCTIs are not synchronised, and neither is this class: callers hold <see cref="Calls"/>.
/// </summary>
internal sealed unsafe class TctiContext(
    TctiLibrary.CommonContext* context, delegate* unmanaged[Cdecl]<TctiLibrary.CommonContext**, void> finalize)
    : IDisposable
{
    private const int MaxPollHandles = 4;
    private TctiLibrary.CommonContext* _context = context;

    /// <summary>The lock that callers on several threads hold during each call.</summary>
    public Lock Calls { get; } = new();

    public uint Transmit(ReadOnlySpan<byte> command)
    {
        fixed (byte* bytes = command)
        {
            return _context->Transmit(_context, (nuint)command.Length, bytes);
        }
    }

    /// <param name="timeout">In milliseconds; -1 for no limit. Some TCTIs take any value for no limit.</param>
    /// <param name="size">The response's size in bytes; never more than the buffer's, whatever the TCTI says.</param>
    public uint Receive(Span<byte> response, int timeout, out int size)
    {
        size = 0;
        if (_context is null)
        {
            return TctiRc.NoConnection; // It was closed while its response was waited for.
        }

        nuint received = (nuint)response.Length;
        fixed (byte* bytes = response)
        {
            uint result = _context->Receive(_context, &received, bytes, timeout);
            size = (int)Math.Min(received, (nuint)response.Length);
            return received > (nuint)response.Length && result == TctiRc.Success ? TctiRc.InsufficientBuffer : result;
        }
    }

    public uint Cancel() => _context->Cancel is null ? TctiRc.NotImplemented : _context->Cancel(_context);

    public uint SetLocality(byte locality) =>
        _context->SetLocality is null ? TctiRc.NotImplemented : _context->SetLocality(_context, locality);

    /// <summary>
    /// Returns what to poll(2) for a response; empty where the TCTI does not say. Only POLLIN is asked for: some TCTIs
    /// name POLLOUT too, which is always true.
    /// </summary>
    public PollDescriptor[] PollHandles()
    {
        nuint count = MaxPollHandles;
        PollDescriptor* handles = stackalloc PollDescriptor[MaxPollHandles];
        bool known = _context->GetPollHandles is not null
            && _context->GetPollHandles(_context, handles, &count) == TctiRc.Success;
        var all = new Span<PollDescriptor>(handles, known ? (int)Math.Min(count, MaxPollHandles) : 0);
        foreach (ref PollDescriptor handle in all)
        {
            handle.Wanted = Polling.Input;
        }

        return all.ToArray();
    }

    public void Dispose()
    {
        if (_context is not null)
        {
            fixed (TctiLibrary.CommonContext** context = &_context)
            {
                finalize(context);
            }

            _context = null;
        }
    }
}
