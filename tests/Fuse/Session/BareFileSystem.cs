namespace TpmFs.Fuse.Tests.Session;

/// <summary>Has no names. A test's own filesystem overrides the operations that the test is about.</summary>
internal abstract class BareFileSystem : FuseFileSystem
{
    public override Errno Lookup(in FuseCaller caller, NodeId parent, ReadOnlySpan<byte> name, out FuseEntry entry)
    {
        entry = default;
        return Errno.ENOENT;
    }

    public override Errno GetAttributes(in FuseCaller caller, NodeId node, OpenId? open, out FuseAttributes attributes)
    {
        attributes = default;
        return Errno.ENOENT;
    }
}
