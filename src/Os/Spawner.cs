using System.Runtime.InteropServices;

namespace TpmFs.Os;

/// <summary>
/// Starts programs with posix_spawn(3), which System.Diagnostics.Process cannot do with chosen descriptors.
/// </summary>
public static unsafe class Spawner
{
    /// <summary>
    /// More bytes than posix_spawnattr_t (336) and posix_spawn_file_actions_t (80) take in any C library.
    /// </summary>
    private const int StructSize = 512;

    /// <summary>
    /// Lists the variables that a service manager sets for this process alone (sd_notify(3), sd_listen_fds(3)).
    /// </summary>
    private static readonly string[] s_ownVariables =
        ["NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC"];

    private const short SetSignalMask = 0x08;

    /// <summary>POSIX_SPAWN_SETSID: of glibc since 2.26 and musl since 1.1.24, with the same number.</summary>
    private const short SetSession = 0x80;

    /// <summary>
    /// Starts <paramref name="executable"/> in a session of its own, with the descriptors in
    /// <paramref name="inherited"/> under the numbers that they have here, its output to <paramref name="output"/>, no
    /// input, and the signals that end a group of processes blocked. All other descriptors that are marked
    /// close-on-exec are closed.
    /// </summary>
    public static Errno Spawn(
        string executable, string[] arguments, ReadOnlySpan<int> inherited, int output, out int process)
    {
        byte* actions = stackalloc byte[StructSize];
        byte* attributes = stackalloc byte[StructSize];
        _ = LibC.posix_spawn_file_actions_init(actions);
        _ = LibC.posix_spawnattr_init(attributes);
        using var argv = new NativeStrings([executable, .. arguments]);
        using var envp = new NativeStrings([.. EnvironmentVariables.AllExcept(s_ownVariables)]);
        byte* path = (byte*)Marshal.StringToCoTaskMemUTF8(executable);
        try
        {
            int error = Prepare(actions, attributes, inherited, output);
            int child = 0;
            if (error == 0)
            {
                error = LibC.posix_spawn(&child, path, actions, attributes, argv.Array, envp.Array);
            }

            process = child;
            return new Errno(error);
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)path);
            _ = LibC.posix_spawnattr_destroy(attributes);
            _ = LibC.posix_spawn_file_actions_destroy(actions);
        }
    }

    private static int Prepare(void* actions, void* attributes, ReadOnlySpan<int> inherited, int output)
    {
        byte* blocked = stackalloc byte[SignalCalls.SetSize];
        SignalCalls.Fill(
            new Span<byte>(blocked, SignalCalls.SetSize),
            [ProcessCalls.SigHup, ProcessCalls.SigInt, ProcessCalls.SigTerm]);
        int error = LibC.posix_spawn_file_actions_addopen(actions, 0, "/dev/null", OpenOptions.ReadOnly, 0);
        error = error != 0 ? error : LibC.posix_spawn_file_actions_adddup2(actions, output, 1);
        error = error != 0 ? error : LibC.posix_spawn_file_actions_adddup2(actions, output, 2);
        foreach (int descriptor in inherited)
        {
            // dup2 onto itself clears FD_CLOEXEC for the child.
            error = error != 0 ? error : LibC.posix_spawn_file_actions_adddup2(actions, descriptor, descriptor);
        }

        error = error != 0 ? error : LibC.posix_spawnattr_setsigmask(attributes, blocked);
        return error != 0 ? error : LibC.posix_spawnattr_setflags(attributes, SetSession | SetSignalMask);
    }
}
