using System.Diagnostics;

namespace TpmFs.Fuse.Session;

/// <summary>Lends the calling thread for answered writes, and tells whether that takes long. Any thread.</summary>
/// <param name="lend">Lends the filesystem the calling thread for a write.</param>
internal sealed class Lender(Func<WrittenFile, FuseLendResult> lend)
{
    private readonly LongWrites _long = new();

    /// <summary>True when the next write is expected to take long.</summary>
    public bool TakesLong => _long.AreExpected;

    /// <summary>Lends the calling thread for a write once, which may take long.</summary>
    public FuseLendResult Lend(WrittenFile file)
    {
        long start = Stopwatch.GetTimestamp();
        FuseLendResult result = lend(file);
        if (result != FuseLendResult.Nothing)
        {
            _long.Note(Stopwatch.GetElapsedTime(start));
        }

        return result;
    }

    /// <summary>Lends the calling thread for a write until the write needs it no more.</summary>
    public void LendToEnd(WrittenFile file)
    {
        while (lend(file) == FuseLendResult.Again)
        {
            // until it is done
        }
    }
}
