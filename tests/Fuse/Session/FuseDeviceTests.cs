using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TpmFs.Fuse.Session;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

public sealed class FuseDeviceTests
{
    private static readonly int s_headerLength = Unsafe.SizeOf<FuseOutHeader>();

    /// <summary>Around the length from which header and body are written as two pieces, and around a page.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(495)]
    [InlineData(496)]
    [InlineData(497)]
    [InlineData(4095)]
    [InlineData(65536)]
    public void A_reply_of_any_length_is_its_header_and_then_its_body(int length)
    {
        string path = Path.GetTempFileName();
        try
        {
            byte[] body = new byte[length];
            new Random(length).NextBytes(body);
            var header = new FuseOutHeader((uint)(s_headerLength + length), Error: 0, Unique: 0x0123456789abcdef);
            using (SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
            {
                Assert.False(new FuseDevice(file).Write(header, body).IsError);
            }

            byte[] written = File.ReadAllBytes(path);
            Assert.Equal(
                MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)).ToArray(), written[..s_headerLength]);
            Assert.Equal(body, written[s_headerLength..]);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_device_that_is_closed_reads_and_writes_as_one_that_is_gone()
    {
        SafeFileHandle file = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        var device = new FuseDevice(file);
        file.Dispose();
        Assert.Equal(Errno.ENODEV, device.Write(default, []));
        Assert.Equal(Errno.ENODEV, device.Read(new byte[1], out _));
    }
}
