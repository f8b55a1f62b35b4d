using System.Text;
using TpmFs.Fuse;

namespace TpmFs.Daemon.Tests.Fakes;

/// <summary>Takes as many entries as a test allows.</summary>
internal sealed class FakeDirectoryReply(int room = int.MaxValue) : FuseDirectoryReply
{
    public List<(string Name, ulong Next, FuseAttributes Attributes)> Entries { get; } = [];

    public override bool Add(ReadOnlySpan<byte> name, ulong nextOffset, in FuseAttributes attributes)
    {
        if (Entries.Count == room)
        {
            return false;
        }

        Entries.Add((Encoding.Latin1.GetString(name), nextOffset, attributes));
        return true;
    }
}
