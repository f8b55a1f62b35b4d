using System.Reflection;
using System.Runtime.InteropServices;
using TpmFs.Fuse.Wire;

namespace TpmFs.Fuse.Tests.Wire;

/// <summary>The structs against sizeof and offsetof of linux/fuse.h, as a C compiler gave them.</summary>
public sealed class WireLayoutTests
{
    [Theory]
    [InlineData(
        typeof(FuseInHeader), 40, "len:0 opcode:4 unique:8 nodeid:16 uid:24 gid:28 pid:32 total_extlen:36 padding:38")]
    [InlineData(typeof(FuseOutHeader), 16, "len:0 error:4 unique:8")]
    [InlineData(
        typeof(FuseAttr), 88,
        "ino:0 size:8 blocks:16 atime:24 mtime:32 ctime:40 atimensec:48 mtimensec:52 ctimensec:56 mode:60 nlink:64 "
            + "uid:68 gid:72 rdev:76 blksize:80 flags:84")]
    [InlineData(typeof(FuseInitIn), 16, "major:0 minor:4 max_readahead:8 flags:12")]
    [InlineData(typeof(CuseInitIn), 16, "major:0 minor:4 unused:8 flags:12")]
    [InlineData(typeof(FuseForgetIn), 8, "nlookup:0")]
    [InlineData(typeof(FuseForgetOne), 16, "nodeid:0 nlookup:8")]
    [InlineData(typeof(FuseBatchForgetIn), 8, "count:0 dummy:4")]
    [InlineData(typeof(FuseGetAttrIn), 16, "getattr_flags:0 dummy:4 fh:8")]
    [InlineData(
        typeof(FuseSetAttrIn), 88,
        "valid:0 padding:4 fh:8 size:16 lock_owner:24 atime:32 mtime:40 ctime:48 atimensec:56 mtimensec:60 "
            + "ctimensec:64 mode:68 unused4:72 uid:76 gid:80 unused5:84")]
    [InlineData(typeof(FuseMkDirIn), 8, "mode:0 umask:4")]
    [InlineData(typeof(FuseOpenIn), 8, "flags:0 open_flags:4")]
    [InlineData(typeof(FuseReleaseIn), 24, "fh:0 flags:8 release_flags:12 lock_owner:16")]
    [InlineData(typeof(FuseFlushIn), 24, "fh:0 unused:8 padding:12 lock_owner:16")]
    [InlineData(typeof(FuseReadIn), 40, "fh:0 offset:8 size:16 read_flags:20 lock_owner:24 flags:32 padding:36")]
    [InlineData(typeof(FuseWriteIn), 40, "fh:0 offset:8 size:16 write_flags:20 lock_owner:24 flags:32 padding:36")]
    [InlineData(typeof(FuseFSyncIn), 16, "fh:0 fsync_flags:8 padding:12")]
    [InlineData(typeof(FuseSetXattrIn), 8, "size:0 flags:4")]
    [InlineData(typeof(FuseGetXattrIn), 8, "size:0 padding:4")]
    [InlineData(typeof(FuseAccessIn), 8, "mask:0 padding:4")]
    [InlineData(typeof(FuseInterruptIn), 8, "unique:0")]
    [InlineData(typeof(FuseIoctlIn), 32, "fh:0 flags:8 cmd:12 arg:16 in_size:24 out_size:28")]
    [InlineData(typeof(FusePollIn), 24, "fh:0 kh:8 flags:16 events:20")]
    [InlineData(
        typeof(FuseInitOut), 64,
        "major:0 minor:4 max_readahead:8 flags:12 max_background:16 congestion_threshold:18 max_write:20 time_gran:24 "
            + "max_pages:28 map_alignment:30 flags2:32 unused:36")]
    [InlineData(
        typeof(CuseInitOut), 72,
        "major:0 minor:4 unused:8 flags:12 max_read:16 max_write:20 dev_major:24 dev_minor:28 spare:32")]
    [InlineData(
        typeof(FuseEntryOut), 128,
        "nodeid:0 generation:8 entry_valid:16 attr_valid:24 entry_valid_nsec:32 attr_valid_nsec:36 attr:40")]
    [InlineData(typeof(FuseAttrOut), 104, "attr_valid:0 attr_valid_nsec:8 dummy:12 attr:16")]
    [InlineData(typeof(FuseOpenOut), 16, "fh:0 open_flags:8 padding:12")]
    [InlineData(typeof(FuseWriteOut), 8, "size:0 padding:4")]
    [InlineData(
        typeof(FuseStatFsOut), 80,
        "blocks:0 bfree:8 bavail:16 files:24 ffree:32 bsize:40 namelen:44 frsize:48 padding:52 spare:56")]
    [InlineData(typeof(FuseGetXattrOut), 8, "size:0 padding:4")]
    [InlineData(typeof(FuseIoctlOut), 16, "result:0 flags:4 in_iovs:8 out_iovs:12")]
    [InlineData(typeof(FusePollOut), 8, "revents:0 padding:4")]
    [InlineData(typeof(FuseNotifyPollWakeupOut), 8, "kh:0")]
    [InlineData(typeof(FuseDirent), 24, "ino:0 off:8 namelen:16 type:20")]
    public void A_struct_has_the_names_the_offsets_and_the_size_of_the_kernels(Type type, int size, string kernels)
    {
        FieldInfo[] fields = type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
        IEnumerable<string> ours =
            fields.Select(field => $"{PropertyName(field).ToLowerInvariant()}:{Marshal.OffsetOf(type, field.Name)}");

        Assert.Equal(kernels.Replace("_", "", StringComparison.Ordinal), string.Join(' ', ours));
        Assert.Equal(size, Marshal.SizeOf(type));
    }

    [Fact]
    public void Every_struct_of_the_wire_is_pinned_here()
    {
        MethodInfo method =
            typeof(WireLayoutTests).GetMethod(nameof(A_struct_has_the_names_the_offsets_and_the_size_of_the_kernels))!;
        IEnumerable<object?> pinned = method.GetCustomAttributesData()
            .Where(data => data.AttributeType == typeof(InlineDataAttribute))
            .Select(data => ((IList<CustomAttributeTypedArgument>)data.ConstructorArguments[0].Value!)[0].Value);
        IEnumerable<Type> wire = typeof(FuseInHeader).Assembly.GetTypes()
            .Where(type => type.IsValueType && !type.IsEnum && type.Name.StartsWith("Fuse", StringComparison.Ordinal)
                && (type.Name.EndsWith("In", StringComparison.Ordinal)
                    || type.Name.EndsWith("Out", StringComparison.Ordinal)
                    || type.Name.EndsWith("Header", StringComparison.Ordinal)));

        Assert.Empty(wire.Except(pinned.Cast<Type>()));
    }

    /// <summary>The property that a record struct's compiler-made field stands behind.</summary>
    private static string PropertyName(FieldInfo field) => field.Name.Trim('<').Split('>')[0];
}
