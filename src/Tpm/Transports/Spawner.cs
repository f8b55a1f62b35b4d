using System.Collections;
using System.Runtime.InteropServices;

namespace TpmFs.Tpm.Transports;

/// <summary>posix_spawn(3).</summary>
internal static unsafe class Spawner
{
    /// <summary>
    /// Starts <paramref name="executable"/> in a session of its own, with the descriptors in <paramref name="inherited"/> under the
    /// numbers that they have here, its output to <paramref name="output"/>, no input, and the signals that end a group of processes
    /// blocked. All other descriptors are closed where they are closed on exec. Returns an errno.
    /// </summary>
    public static int Spawn(string executable, string[] arguments, ReadOnlySpan<int> inherited, int output, out int pid)
    {
        byte* actions = stackalloc byte[Native.SpawnStructSize];
        byte* attributes = stackalloc byte[Native.SpawnStructSize];
        _ = Native.SpawnActionsInit(actions);
        _ = Native.SpawnAttributesInit(attributes);
        byte** argv = NativeStrings([executable, .. arguments]);
        byte** envp = NativeStrings([.. Environment()]);
        byte* path = (byte*)Marshal.StringToCoTaskMemUTF8(executable);
        try
        {
            int error = Prepare(actions, attributes, inherited, output);
            int child = 0;
            if (error == 0)
            {
                error = Native.PosixSpawn(&child, path, actions, attributes, argv, envp);
            }

            pid = child;
            return error;
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)path);
            Free(argv);
            Free(envp);
            _ = Native.SpawnAttributesDestroy(attributes);
            _ = Native.SpawnActionsDestroy(actions);
        }
    }

    private static int Prepare(void* actions, void* attributes, ReadOnlySpan<int> inherited, int output)
    {
        byte* blocked = stackalloc byte[Native.SignalSetSize];
        new Span<byte>(blocked, Native.SignalSetSize).Clear();
        foreach (int signal in (ReadOnlySpan<int>)[Native.SigHup, Native.SigInt, Native.SigTerm])
        {
            blocked[(signal - 1) / 8] |= (byte)(1 << ((signal - 1) % 8));
        }

        int error = Native.SpawnActionsAddOpen(actions, 0, "/dev/null", Native.OpenReadOnly, 0);
        error = error != 0 ? error : Native.SpawnActionsAddDup2(actions, output, 1);
        error = error != 0 ? error : Native.SpawnActionsAddDup2(actions, output, 2);
        foreach (int descriptor in inherited)
        {
            // dup2 onto itself clears FD_CLOEXEC for the child.
            error = error != 0 ? error : Native.SpawnActionsAddDup2(actions, descriptor, descriptor);
        }

        error = error != 0 ? error : Native.SpawnAttributesSetSignalMask(attributes, blocked);
        return error != 0 ? error : Native.SpawnAttributesSetFlags(attributes, Native.SpawnSetSession | Native.SpawnSetSignalMask);
    }

    /// <summary>Ours, less what a service manager means for us alone (sd_notify(3), sd_listen_fds(3)).</summary>
    private static IEnumerable<string> Environment()
    {
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            if (entry.Key is not ("NOTIFY_SOCKET" or "LISTEN_PID" or "LISTEN_FDS" or "LISTEN_FDNAMES" or "WATCHDOG_PID" or "WATCHDOG_USEC"))
            {
                yield return $"{entry.Key}={entry.Value}";
            }
        }
    }

    private static byte** NativeStrings(string[] strings)
    {
        byte** array = (byte**)NativeMemory.AllocZeroed((nuint)strings.Length + 1, (nuint)sizeof(byte*));
        for (int index = 0; index < strings.Length; index++)
        {
            array[index] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[index]);
        }

        return array;
    }

    private static void Free(byte** strings)
    {
        for (byte** item = strings; *item is not null; item++)
        {
            Marshal.FreeCoTaskMem((nint)(*item));
        }

        NativeMemory.Free(strings);
    }
}
