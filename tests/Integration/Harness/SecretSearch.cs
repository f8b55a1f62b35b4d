namespace TpmFs.Integration.Tests.Harness;

/// <summary>Searches files, and memory that is read as a file, for secrets.</summary>
/// <param name="secrets">Each secret, under the name that a find has for it.</param>
internal sealed class SecretSearch(IReadOnlyDictionary<string, byte[]> secrets)
{
    private const int Chunk = 1 << 20;

    private readonly List<string> _finds = [];

    /// <summary>Gets the secret and the place of each find.</summary>
    public IReadOnlyList<string> Finds => _finds;

    /// <summary>Looks for all secrets in a part of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The name of the file in a find.</param>
    /// <param name="start">The start of the part, in bytes.</param>
    /// <param name="end">The end of the part, in bytes.</param>
    public void Look(FileStream file, string name, long start, long end)
    {
        int overlap = secrets.Values.Max(secret => secret.Length) - 1;
        byte[] chunk = new byte[Chunk + overlap];
        for (long at = start; at < end; at += Chunk)
        {
            file.Position = at;
            int wanted = (int)Math.Min(chunk.Length, end - at);
            Span<byte> there = chunk.AsSpan(0, ReadUpTo(file, chunk.AsSpan(0, wanted)));
            if (!there.ContainsAnyExcept((byte)0))
            {
                continue;
            }

            foreach ((string secret, byte[] bytes) in secrets)
            {
                int index = there.IndexOf(bytes);
                if (index >= 0)
                {
                    _finds.Add($"{secret} in {name} at 0x{at + index:x}");
                }
            }
        }
    }

    /// <summary>Reads what there is. A page that the process gave back meanwhile ends it (EIO).</summary>
    private static int ReadUpTo(FileStream file, Span<byte> into)
    {
        try
        {
            return file.ReadAtLeast(into, into.Length, throwOnEndOfStream: false);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
