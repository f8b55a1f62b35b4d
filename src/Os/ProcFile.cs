namespace TpmFs.Os;

/// <summary>Reads the beginning of files and directories of /proc, without allocating on the managed heap.</summary>
internal static unsafe class ProcFile
{
    /// <summary>Reads the beginning of a file.</summary>
    /// <param name="path">The path, ended by NUL.</param>
    /// <param name="buffer">Takes the bytes.</param>
    /// <param name="length">The number of bytes that were read.</param>
    public static bool TryRead(ReadOnlySpan<byte> path, Span<byte> buffer, out int length)
    {
        int file = Open(path, OpenOptions.ReadOnly);
        fixed (byte* start = buffer)
        {
            length = file < 0 ? 0 : (int)LibC.read(file, start, buffer.Length);
        }

        return Close(file) && length > 0;
    }

    /// <summary>Reads the first entries of a directory, as getdents64(2) gives them.</summary>
    /// <inheritdoc cref="TryRead"/>
    public static bool TryList(ReadOnlySpan<byte> path, Span<byte> buffer, out int length)
    {
        int directory = Open(path, OpenOptions.ReadOnly | OpenOptions.Directory);
        fixed (byte* start = buffer)
        {
            length = directory < 0 ? 0 : (int)LibC.getdents64(directory, start, buffer.Length);
        }

        return Close(directory) && length > 0;
    }

    private static int Open(ReadOnlySpan<byte> path, int flags)
    {
        fixed (byte* name = path)
        {
            return LibC.open(name, flags | OpenOptions.CloseOnExec, 0);
        }
    }

    private static bool Close(int file) => file >= 0 && LibC.close(file) == 0;
}
