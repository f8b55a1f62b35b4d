using TpmFs.Tpm.Tests.Harness;
using TpmFs.Tpm.Wire;

namespace TpmFs.Tpm.Tests.Wire;

public sealed class TpmReaderWriterTests
{
    [Fact]
    public void Values_are_written_big_endian_and_are_read_back()
    {
        Span<byte> buffer = stackalloc byte[32];
        var writer = new TpmWriter(buffer);
        writer.WriteByte(0x01);
        writer.WriteUInt16(0x0203);
        writer.WriteUInt32(0x04050607);
        writer.WriteUInt64(0x08090A0B0C0D0E0F);
        writer.WriteHandle(new TpmHandle(0x10111213));
        writer.WriteUInt16(2);
        writer.WriteBytes([0xAA, 0xBB]);
        Assert.Equal(TpmClient.Hex("01 0203 04050607 08090A0B0C0D0E0F 10111213 0002AABB"), writer.Written.ToArray());

        var reader = new TpmReader(writer.Written);
        Assert.True(reader.TryReadByte(out byte one));
        Assert.True(reader.TryReadUInt16(out ushort two));
        Assert.True(reader.TryReadUInt32(out uint four));
        Assert.True(reader.TryReadUInt64(out ulong eight));
        Assert.True(reader.TryReadHandle(out TpmHandle handle));
        Assert.True(reader.TryReadSized(out ReadOnlySpan<byte> sized));
        Assert.Equal(
            (0x01, 0x0203, 0x04050607u, 0x08090A0B0C0D0E0Ful, 0x10111213u), (one, two, four, eight, handle.Value));
        Assert.Equal([0xAA, 0xBB], sized.ToArray());
        Assert.True(reader.Remaining.IsEmpty);
    }

    [Fact]
    public void A_read_that_does_not_fit_fails_and_moves_nothing()
    {
        var reader = new TpmReader([0x00, 0x02, 0xAA]);
        Assert.False(reader.TryReadUInt32(out _));
        Assert.False(reader.TryReadUInt64(out _));
        Assert.False(reader.TryReadHandle(out _));
        Assert.False(reader.TryReadSized(out _));
        Assert.False(reader.TryReadBytes(4, out _));
        Assert.False(reader.TryReadBytes(-1, out _));
        Assert.Equal(0, reader.Position);
        Assert.True(reader.TryReadUInt16(out _));
        Assert.True(reader.TryReadByte(out _));
        Assert.False(reader.TryReadByte(out _));
        Assert.Equal(3, reader.Position);
    }

    [Fact]
    public void A_message_knows_its_size()
    {
        Span<byte> buffer = stackalloc byte[64];
        var writer = new TpmWriter(buffer);
        writer.BeginMessage(TpmSt.NoSessions, (uint)TpmCc.GetRandom);
        writer.WriteUInt16(8);
        Assert.Equal(TpmClient.GetRandom8, writer.FinishMessage().ToArray());
    }

    [Theory]
    [InlineData(0x8000_0000, true, false)]
    [InlineData(0x80FF_FFFE, true, false)]
    [InlineData(0x80FF_FFFF, false, false)]
    [InlineData(0x8100_0000, false, false)]
    [InlineData(0x0200_0001, false, true)]
    [InlineData(0x0300_0001, false, true)]
    [InlineData(0x0400_0001, false, false)]
    [InlineData(0x4000_0009, false, false)]
    public void A_handle_is_what_its_range_says(uint value, bool isTransient, bool isSession)
    {
        var handle = new TpmHandle(value);
        Assert.Equal((isTransient, isSession), (handle.IsTransient, handle.IsSession));
        Assert.Equal(value, ((uint)handle.Type << 24) | handle.Index);
    }
}
