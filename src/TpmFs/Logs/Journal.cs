using System.Runtime.InteropServices;
using Mono.Unix.Native;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>The system's journal, through libsystemd, which is loaded only when the journal is there.</summary>
internal sealed partial class Journal : ILogEventSink
{
    private const string Library = "libsystemd.so.0";
    private const string SocketPath = "/run/systemd/journal/socket";

    /// <summary>
    /// Whether this process's stderr is the journal's: JOURNAL_STREAM names its device and inode (systemd.exec(5)), so a
    /// redirection to a file or a terminal is respected; and libsystemd and the journal's socket are there.
    /// </summary>
    public static bool IsHere() =>
        Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { } stream
        && Syscall.fstat(2, out var stderr) == 0
        && stream == $"{stderr.st_dev}:{stderr.st_ino}"
        && File.Exists(SocketPath)
        && NativeLibrary.TryLoad(Library, out _);

    /// <summary>The journal behind a logger of its own, which keeps a failure in here from its caller.</summary>
    public static Logger Open() => new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(new Journal()).CreateLogger();

    /// <summary>Sends one event; what the journal does not take is lost, since there is nowhere left to say so.</summary>
    public unsafe void Emit(LogEvent logEvent)
    {
        var fields = JournalFields.Of(logEvent);
        var pins = fields.ConvertAll(field => GCHandle.Alloc(field, GCHandleType.Pinned));
        Span<IoVector> vectors = stackalloc IoVector[fields.Count];
        for (var i = 0; i < fields.Count; i++)
        {
            vectors[i] = new IoVector(pins[i].AddrOfPinnedObject(), (nuint)fields[i].Length);
        }

        fixed (IoVector* first = vectors)
        {
            _ = SendVector(first, vectors.Length);
        }

        pins.ForEach(pin => pin.Free());
    }

    [LibraryImport(Library, EntryPoint = "sd_journal_sendv")]
    private static unsafe partial int SendVector(IoVector* vectors, int count);

    /// <summary>struct iovec of sys/uio.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct IoVector(nint Base, nuint Length);
}
