using System.Text;

namespace TpmFs.Mirror.Tests;

public sealed class RecordStoreTests
{
    private const uint Format = 7;
    private readonly byte[] _memory = new byte[1024 * 1024];

    [Fact]
    public void The_next_process_finds_what_was_committed()
    {
        var store = RecordStore.Create(_memory, Format);
        RecordPlace kept = default;
        RecordPlace replaced = default;
        RecordPlace removed = default;
        RecordPlace late = default;
        store.Put(ref kept, 1, 10, "kept"u8);
        store.Put(ref replaced, 2, 20, "before"u8);
        store.Put(ref removed, 3, 30, "gone"u8);
        store.Commit();
        store.Put(ref replaced, 2, 20, "after"u8);
        store.Remove(ref removed);
        store.Commit();
        store.Put(ref late, 4, 40, "not committed"u8);
        store.Put(ref kept, 1, 10, "not committed either"u8);

        Assert.Equal(["1/10 kept", "2/20 after"], Adopt());
    }

    [Fact]
    public void A_record_that_is_put_twice_before_a_commit_is_there_once()
    {
        var store = RecordStore.Create(_memory, Format);
        RecordPlace place = default;
        store.Put(ref place, 1, 1, "first"u8);
        store.Put(ref place, 1, 1, "second"u8);
        store.Commit();
        store.Put(ref place, 1, 1, "third"u8);
        store.Put(ref place, 1, 1, "fourth"u8);
        store.Commit();

        Assert.Equal(["1/1 fourth"], Adopt());
    }

    [Fact]
    public void A_process_that_ends_at_any_write_leaves_the_last_commit_whole()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            DieAtEachWrite(new Random(seed));
        }
    }

    [Fact]
    public void A_store_that_was_adopted_goes_on_and_can_be_adopted_again()
    {
        var store = RecordStore.Create(_memory, Format);
        RecordPlace place = default;
        for (int i = 0; i < 50; i++)
        {
            store.PutNow(ref place, 1, 1, Encoding.ASCII.GetBytes($"round {i}"));
            Assert.True(RecordStore.TryAdopt(_memory, Format, out RecordStore? next, out _));
            StoredRecord found = Assert.Single(next.Records);
            Assert.Equal($"round {i}", Encoding.ASCII.GetString(next.Read(found.Place)));
            (store, place) = (next, found.Place);
        }
    }

    [Fact]
    public void Records_that_were_replaced_or_removed_or_never_committed_are_wiped()
    {
        byte[] secret = Encoding.ASCII.GetBytes("a secret that must not stay");
        var store = RecordStore.Create(_memory, Format);
        RecordPlace replaced = default;
        RecordPlace removed = default;
        RecordPlace half = default;
        store.PutNow(ref replaced, 1, 1, secret);
        store.PutNow(ref removed, 1, 2, secret);
        store.PutNow(ref replaced, 1, 1, "other"u8);
        store.RemoveNow(ref removed);
        Assert.Equal(-1, _memory.AsSpan().IndexOf(secret));

        store.Put(ref half, 1, 3, secret);
        Assert.NotEqual(-1, _memory.AsSpan().IndexOf(secret));
        Assert.True(RecordStore.TryAdopt(_memory, Format, out _, out _));
        Assert.Equal(-1, _memory.AsSpan().IndexOf(secret));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(200)]
    [InlineData(5000)]
    [InlineData(200_000)]
    public void A_reserved_record_is_written_in_place(int length)
    {
        var store = RecordStore.Create(_memory, Format);
        RecordPlace place = default;
        Memory<byte> area = store.Reserve(ref place, 9, 90, length);
        area.Span.Fill(0xAB);

        Assert.True(RecordStore.TryAdopt(_memory, Format, out RecordStore? next, out _));
        Memory<byte> found = next.Area(Assert.Single(next.Records).Place);
        Assert.Equal(length, found.Length);
        Assert.Equal(-1, found.Span.IndexOfAnyExcept((byte)0xAB));
    }

    [Fact]
    public void Memory_is_used_again_for_records_of_other_sizes_and_said_to_be_unused()
    {
        var pages = new FewPages(int.MaxValue);
        RecordStore store = RecordStore.TryCreate(_memory, Format, pages)!;
        store.WhenFull = () => Assert.Fail("The memory is not full.");
        for (int size = 64; size < 100_000; size = (size * 3) + 1)
        {
            var places = new RecordPlace[400_000 / (size + 200)];
            for (int i = 0; i < places.Length; i++)
            {
                store.PutNow(ref places[i], 1, (ulong)i, new byte[size]);
                Assert.False(places[i].IsNowhere);
            }

            for (int i = 0; i < places.Length; i++)
            {
                store.RemoveNow(ref places[i]);
            }
        }

        Assert.InRange(pages.Released, 1, pages.Populated);
        Assert.Empty(Adopt());
    }

    /// <summary>
    /// Regression: a large record took memory that was never used before, so that one that is written every 5 minutes
    /// was lost after some weeks.
    /// </summary>
    [Fact]
    public void A_large_record_is_replaced_as_often_as_one_likes()
    {
        var store = RecordStore.Create(_memory, Format);
        RecordPlace small = default;
        RecordPlace large = default;
        store.PutNow(ref small, 1, 1, "small"u8);
        for (int i = 0; i < 100; i++)
        {
            store.PutNow(ref large, 2, 2, new byte[100_000 + (i * 1000)]);
            Assert.False(large.IsNowhere);
        }

        Assert.Equal("small"u8, store.Read(small));
        Assert.Equal(2, Adopt().Count);
    }

    [Fact]
    public void A_full_memory_loses_the_new_record_and_says_so()
    {
        int unwritten = 0;
        var store = RecordStore.Create(_memory, Format);
        store.WhenFull = () => unwritten++;
        var places = new RecordPlace[64];
        for (int i = 0; i < places.Length; i++)
        {
            store.PutNow(ref places[i], 1, (ulong)i, new byte[40_000]);
        }

        Assert.Equal(places.Count(place => place.IsNowhere), unwritten);
        Assert.InRange(Adopt().Count, 10, 20);
    }

    /// <summary>A process that writes where there is no page, and none is to be had, is killed (SIGBUS).</summary>
    [Theory]
    [InlineData(10_000)]
    [InlineData(100_000)]
    public void Memory_of_which_no_more_pages_are_to_be_had_is_full(int length)
    {
        int unwritten = 0;
        var pages = new FewPages(6 * 64 * 1024);
        RecordStore store = RecordStore.TryCreate(_memory, Format, pages)!;
        store.WhenFull = () => unwritten++;
        var places = new RecordPlace[40];
        for (int i = 0; i < places.Length; i++)
        {
            store.PutNow(ref places[i], 1, (ulong)i, new byte[length]);
        }

        Assert.InRange(unwritten, 1, places.Length - 1);
        Assert.Equal(places.Length - unwritten, Adopt().Count);
        Assert.Equal(-1, _memory.AsSpan(pages.Populated).IndexOfAnyExcept((byte)0));

        pages.Left = int.MaxValue;
        store.PutNow(ref places[^1], 1, 1, new byte[length]);
        Assert.False(places[^1].IsNowhere);
        Assert.Null(RecordStore.TryCreate(_memory, Format, new FewPages(0)));
    }

    [Fact]
    public void Memory_of_another_format_or_of_nobody_is_refused_with_a_reason()
    {
        Assert.False(RecordStore.TryAdopt(_memory, Format, out _, out string problem));
        Assert.Equal("it was not written by a version of tpmfs that this one knows", problem);
        RecordStore.Create(_memory, Format);
        Assert.False(RecordStore.TryAdopt(_memory, Format + 1, out _, out problem));
        Assert.Equal("its format is 7, and this tpmfs reads format 8", problem);
        Assert.False(RecordStore.TryAdopt(Array.Empty<byte>(), Format, out _, out _));
    }

    [Fact]
    public void Damaged_memory_is_refused_or_adopted_and_never_read_beyond_its_end()
    {
        var store = RecordStore.Create(_memory, Format);
        for (int i = 0; i < 300; i++)
        {
            RecordPlace place = default;
            store.PutNow(ref place, 1, (ulong)i, new byte[i * 7]);
        }

        for (int seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            byte[] damaged = [.. _memory];
            for (int i = 0; i < 20; i++)
            {
                int at = random.Next(4) == 0
                    ? random.Next(256) : (64 * 1024) + (random.Next(4000) * 32) + random.Next(32);
                damaged[at] = (byte)random.Next(256);
            }

            if (RecordStore.TryAdopt(damaged, Format, out RecordStore? next, out _))
            {
                foreach (StoredRecord record in next.Records)
                {
                    _ = next.Read(record.Place).Length;
                }

                RecordPlace place = default;
                next.PutNow(ref place, 1, 1, "goes on"u8);
            }
        }
    }

    /// <summary>
    /// Runs the same random changes again and again, each time one write further, and compares what the next process
    /// finds with a model.
    /// </summary>
    private static void DieAtEachWrite(Random random)
    {
        int seed = random.Next();
        for (int death = 0; ; death++)
        {
            byte[] memory = new byte[512 * 1024];
            var committed = new Dictionary<ulong, string>();
            var next = new Dictionary<ulong, string>();
            bool died = !TryRun(memory, new Random(seed), death, committed, next);

            List<string> found = Adopt(memory);
            Assert.True(
                found.SequenceEqual(Show(committed)) || found.SequenceEqual(Show(next)), $"seed {seed}, write {death}");
            if (!died)
            {
                Assert.InRange(death, 30, int.MaxValue);
                return;
            }
        }
    }

    private static IEnumerable<string> Show(Dictionary<ulong, string> records) =>
        records.Select(pair => $"1/{pair.Key} {pair.Value}").Order(StringComparer.Ordinal);

    private static bool TryRun(
        byte[] memory, Random random, int death, Dictionary<ulong, string> committed, Dictionary<ulong, string> next)
    {
        int left = death;
        var store = RecordStore.Create(memory, Format);
        store.AfterWrite = () =>
        {
            if (left-- == 0)
            {
                throw new DeathException();
            }
        };
        var places = new RecordPlace[8];
        try
        {
            for (int step = 0; step < 30; step++)
            {
                ulong id = (ulong)random.Next(places.Length);
                string text = new((char)('a' + random.Next(26)), random.Next(300));
                if (random.Next(4) == 0)
                {
                    next.Remove(id);
                    store.Remove(ref places[id]);
                }
                else
                {
                    next[id] = text;
                    store.Put(ref places[id], 1, id, Encoding.ASCII.GetBytes(text));
                }

                if (random.Next(3) == 0)
                {
                    store.Commit();
                    committed.Clear();
                    foreach ((ulong key, string value) in next)
                    {
                        committed[key] = value;
                    }
                }
            }

            store.Commit();
            committed.Clear();
            next.ToList().ForEach(pair => committed[pair.Key] = pair.Value);
            return true;
        }
        catch (DeathException)
        {
            return false;
        }
    }

    private List<string> Adopt() => Adopt(_memory);

    private static List<string> Adopt(byte[] memory)
    {
        Assert.True(RecordStore.TryAdopt(memory, Format, out RecordStore? store, out string problem), problem);
        return
        [
            .. store.Records
                .Select(record => $"{record.Kind}/{record.Id} {Encoding.ASCII.GetString(store.Read(record.Place))}")
                .Order(StringComparer.Ordinal),
        ];
    }

    private sealed class DeathException : Exception;

    /// <summary>Pages of which so many bytes are to be had.</summary>
    private sealed class FewPages(int bytes) : IStorePages
    {
        public int Left { get; set; } = bytes;

        public int Populated { get; private set; }

        public int Released { get; private set; }

        public bool TryPopulate(int offset, int length)
        {
            if (length > Left)
            {
                return false;
            }

            Left -= length;
            Populated += length;
            return true;
        }

        public void Release(int offset, int length) => Released += length;
    }
}
