using System.Runtime.CompilerServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Session;

/// <summary>One request: its header, and what follows it, taken apart as it is read.</summary>
internal ref struct FuseRequest
{
    /// <summary>The rest of the body.</summary>
    public WireReader Body;

    private FuseRequest(FuseInHeader header, ReadOnlySpan<byte> body)
    {
        Header = header;
        Body = new WireReader(body);
    }

    public FuseInHeader Header { get; }

    public readonly FuseCaller Caller => new(Header.Uid, Header.Gid, Header.Pid);

    public readonly NodeId Node => new(Header.NodeId);

    /// <summary>The open file that a successful write was to.</summary>
    public WrittenFile? Written { get; set; }

    /// <summary>A handler found the body shorter than it says, or otherwise not as linux/fuse.h has it.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>
    /// Takes the header off. <paramref name="header"/> is right as far as there is one. False when the header's lengths
    /// are not those of what was read.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out FuseInHeader header, out FuseRequest request)
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

        request = new FuseRequest(header, bytes[Unsafe.SizeOf<FuseInHeader>()..^extensions]);
        return true;
    }

    /// <summary>What a handler returns for a body that is not as it should be.</summary>
    public Errno Malformed()
    {
        IsMalformed = true;
        return Errno.EINVAL;
    }
}

/// <summary>An open file that was written to.</summary>
internal readonly record struct WrittenFile(NodeId Node, OpenId Open);
