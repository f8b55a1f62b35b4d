using TpmFs.Fuse;
using TpmFs.Fuse.Wire;

namespace TpmFs.Daemon.Tests.Takeover;

/// <summary>One open file description.</summary>
internal sealed class OpenedFile(KernelConnection connection, ulong node, ulong file)
{
    private const uint Blocking = 0x8002;
    private const uint NonBlocking = 0x8802;
    private const uint LargestRead = 4096;

    /// <summary>Gets the number of its poll table.</summary>
    public ulong PollTable => 1000 + file;

    public Errno Write(byte[] data)
    {
        KilledDaemon.Answer answer = connection.Do(
            FuseOpcode.Write, node,
            [.. KilledDaemon.Bytes(new FuseWriteIn(file, 0, (uint)data.Length, 0, 0, Blocking, 0)), .. data]);
        Assert.True(answer.Error.IsError || answer.As<FuseWriteOut>().Size == data.Length);
        return answer.Error;
    }

    /// <summary>Begins a read that may wait.</summary>
    public ulong BeginRead(uint size = LargestRead, ulong offset = 0) =>
        connection.Send(FuseOpcode.Read, node, Request(offset, size, Blocking));

    public KilledDaemon.Answer Read(uint size = LargestRead, ulong offset = 0) =>
        connection.Do(FuseOpcode.Read, node, Request(offset, size, Blocking));

    public KilledDaemon.Answer ReadNow() =>
        connection.Do(FuseOpcode.Read, node, Request(offset: 0, LargestRead, NonBlocking));

    public PollEvents Poll() => connection.Do(
        FuseOpcode.Poll, node,
        KilledDaemon.Bytes(new FusePollIn(file, PollTable, FusePollFlags.ScheduleNotify, PollEvents.In)))
        .As<FusePollOut>().REvents;

    public void Interrupt(ulong read) => connection.Send(
        FuseOpcode.Interrupt, node, KilledDaemon.Bytes(new FuseInterruptIn(read)));

    public void Close() => Assert.Equal(
        Errno.None,
        connection.Do(FuseOpcode.Release, node, KilledDaemon.Bytes(new FuseReleaseIn(file, 0, 0, 0))).Error);

    private byte[] Request(ulong offset, uint size, uint flags) =>
        KilledDaemon.Bytes(new FuseReadIn(file, offset, size, FuseReadFlags.LockOwner, 1, flags, 0));
}
