using TpmFs.Fuse.Session;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>Tests when the turn to read is passed on before a thread is lent for a write.</summary>
public sealed class LongWritesTests
{
    private readonly LongWrites _writes = new();

    /// <summary>
    /// One command that waited for its CPU made the reading thread pass its turn on. The next one began to follow the
    /// client anew, several times a second.
    /// </summary>
    [Fact]
    public void A_single_long_write_is_not_expected_again()
    {
        Note(0.1, 20, 0.1, 20, 20, 0.1, 20, 20);
        Assert.False(_writes.AreExpected);
    }

    [Fact]
    public void Writes_that_all_take_long_are_expected_until_one_is_short()
    {
        Note(2, 2, 2);
        Assert.True(_writes.AreExpected);
        Note(2, 2, 2, 2);
        Assert.True(_writes.AreExpected);
        Note(0.1);
        Assert.False(_writes.AreExpected);
    }

    private void Note(params ReadOnlySpan<double> milliseconds)
    {
        foreach (double each in milliseconds)
        {
            _writes.Note(TimeSpan.FromMilliseconds(each));
        }
    }
}
