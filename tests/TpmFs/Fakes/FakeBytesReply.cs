using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Fakes;

internal sealed class FakeBytesReply : FuseBytesReply
{
    public byte[]? Bytes { get; private set; }

    public override void Set(ReadOnlySpan<byte> bytes) => Bytes = bytes.ToArray();
}
