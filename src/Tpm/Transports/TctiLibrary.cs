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
            problem = $"{Name} is not tpm2-tss's library: it lacks Tss2_TctiLdr_Initialize or Tss2_TctiLdr_Finalize";
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
