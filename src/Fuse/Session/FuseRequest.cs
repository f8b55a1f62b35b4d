using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>One request: its header, and what follows it, taken apart as it is read.</summary>
internal ref struct FuseRequest
{
    /// <summary>The rest of the body.</summary>
    public WireReader Body;

    /// <summary>
    /// FUSE_UNIQUE_RESEND of linux/fuse.h: set in the number of a request that the kernel sends for the second time.
    /// The answer must carry it.
    /// </summary>
    private const ulong Resent = 1UL << 63;

    private FuseRequest(FuseInHeader header, ReadOnlySpan<byte> body)
    {
        Header = header;
        Body = new WireReader(body);
    }

    public FuseInHeader Header { get; }

    public readonly FuseCaller Caller => new(Header.Uid, Header.Gid, Header.Pid)
    {
        Request = new FuseRequestId(Header.Unique & ~Resent, IsRepeated || (Header.Unique & Resent) != 0),
    };

    /// <summary>True when an earlier process had the request, and did not mark it as done.</summary>
    public bool IsRepeated { get; init; }

    public readonly NodeId Node => new(Header.NodeId);

    /// <summary>The open file that a successful write was to.</summary>
    public WrittenFile? Written { get; set; }

    /// <summary>A handler found the body shorter than it says, or otherwise not as linux/fuse.h has it.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>
    /// Takes the header off. <paramref name="header"/> is right as far as there is one. False when the header's lengths
    /// are not those of what was read.
    /// </summary>
    public static bool TryParse(
        ReadOnlySpan<byte> bytes, bool isRepeated, out FuseInHeader header, out FuseRequest request)
    {
        const int ExtensionUnit = 8;
        request = default;
        var reader = new WireReader(bytes);
        if (!reader.TryRead(out header) || header.Len != bytes.Length)
        {
            return false;
        }

        int extensions = header.TotalExtLen * ExtensionUnit;
        if (extensions > reader.Remaining)
        {
            return false;
        }

        request = new FuseRequest(header, bytes[Unsafe.SizeOf<FuseInHeader>()..^extensions])
        {
            IsRepeated = isRepeated,
        };
        return true;
    }

    /// <summary>Returns a request's number, without the bit that the kernel may add; 0 of what is too short.</summary>
    public static ulong UniqueOf(ReadOnlySpan<byte> request) =>
        MemoryMarshal.TryRead(request, out FuseInHeader header) ? header.Unique & ~Resent : 0;

    /// <summary>Returns what a request asks for; 0 of what is too short.</summary>
    public static FuseOpcode OpcodeOf(ReadOnlySpan<byte> request) =>
        MemoryMarshal.TryRead(request, out FuseInHeader header) ? header.Opcode : 0;

    /// <summary>What a handler returns for a body that is not as it should be.</summary>
    public Errno Malformed()
    {
        IsMalformed = true;
        return Errno.EINVAL;
    }
}

/// <summary>An open file that was written to.</summary>
internal readonly record struct WrittenFile(NodeId Node, OpenId Open);
