using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>The entry points of a fuzzer, of the suite or another.</summary>
internal static class RequestFuzz
{
    /// <summary>
    /// One request of any bytes. It must not throw; a request that has a number is answered at most once, under that
    /// number, with a whole message.
    /// </summary>
    public static void Dispatch(ReadOnlySpan<byte> request)
    {
        var fixture = new DispatcherFixture(new RecordingFileSystem { OnRead = read => read.Complete("d"u8) });

        fixture.Dispatch(request);

        Assert.True(fixture.Replies.Count <= 1, "more than one reply");
        foreach (DispatcherFixture.Message reply in fixture.Replies)
        {
            Assert.Equal((uint)(16 + reply.Body.Length), reply.Header.Len);
            Assert.InRange(reply.Header.Error, -511, 0);
            Assert.Equal(MemoryMarshal.Read<FuseInHeader>(request).Unique, reply.Header.Unique);
            Assert.True(reply.Header.Error == 0 || reply.Body.Length == 0, "an error with a body");
        }
    }
}
