using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os.Tests;

public sealed class SharedMemoryTests
{
    private const int Length = 1 << 20;

    [Fact]
    public void Each_holder_of_the_descriptor_maps_the_same_memory()
    {
        Assert.False(SharedMemory.Create("test", Length, out SharedMemory? first).IsError);
        using SharedMemory made = first!;
        made.GetSpan()[4096] = 42;

        using SafeFileHandle copy = File.OpenHandle(
            $"/proc/self/fd/{made.Descriptor.DangerousGetHandle()}", FileMode.Open, FileAccess.ReadWrite);
        Assert.True(SharedMemory.TryAdopt(copy, out SharedMemory? second, out string problem), problem);
        using SharedMemory adopted = second;
        Assert.Equal(Length, adopted.GetSpan().Length);
        Assert.Equal(42, adopted.GetSpan()[4096]);
        adopted.Release(4096, 4096);
        Assert.Equal(0, made.GetSpan()[4096]);
    }

    [Fact]
    public void The_size_is_sealed_so_that_nobody_cuts_it_off_below_another_holder()
    {
        Assert.False(SharedMemory.Create("test", Length, out SharedMemory? made).IsError);
        using SharedMemory memory = made!;
        using var stream = new FileStream(
            new SafeFileHandle(memory.Descriptor.DangerousGetHandle(), ownsHandle: false), FileAccess.ReadWrite);
        Assert.ThrowsAny<Exception>(() => stream.SetLength(1));
    }

    [Fact]
    public void A_file_that_is_no_such_memory_is_refused()
    {
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, new byte[Length]);
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        File.Delete(path);
        Assert.False(SharedMemory.TryAdopt(file, out _, out string problem));
        Assert.Equal("it is not memory that tpmfs made", problem);
    }
}
