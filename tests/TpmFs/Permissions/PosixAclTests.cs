using System.Buffers.Binary;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Fuse;
using TpmFs.Permissions;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Permissions;

/// <summary>ACLs as setfacl(1) sends them: the kernel enforces what is answered here.</summary>
public sealed class PosixAclTests : IDisposable
{
    private const uint NoId = uint.MaxValue;
    private static readonly (ushort Tag, ushort Permissions, uint Id)[] s_good = [(1, 6, NoId), (2, 6, 1000),
        (4, 0, NoId), (16, 6, NoId), (32, 0, NoId)];
    private readonly TreeFixture _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void An_ACL_is_kept_with_its_mask_as_the_groups_bits_and_chmod_changes_the_mask()
    {
        Assert.Equal(Errno.None, Set("rm0", Bytes(s_good)));
        Assert.Equal(0x81B0u, _tree.Find("rm0").Mode);
        Assert.Equal(Bytes(s_good), Get("rm0"));

        _tree.Change("rm0", mode: 0x1A4);
        Assert.Equal(Bytes([(1, 6, NoId), (2, 6, 1000), (4, 0, NoId), (16, 4, NoId), (32, 4, NoId)]), Get("rm0"));

        Assert.Equal(Errno.None, _tree.Kernel.RemoveXattr(Root, _tree.NumberOf("rm0"), "system.posix_acl_access"u8));
        Assert.Equal(0x8184u, _tree.Find("rm0").Mode);
        Assert.Null(Get("rm0"));
    }

    [Fact]
    public void An_ACL_that_says_no_more_than_a_mode_is_a_mode()
    {
        Set("rm0", Bytes(s_good));
        Assert.Equal(Errno.None, Set("rm0", Bytes([(1, 6, NoId), (4, 4, NoId), (32, 0, NoId)])));
        Assert.Equal(0x81A0u, _tree.Find("rm0").Mode);
        Assert.Null(Get("rm0"));
    }

    public static TheoryData<byte[]> Bad => new(
    [
        [], [2, 0, 0], [1, 0, 0, 0], Bytes(s_good)[..^1], [.. Bytes(s_good), 0],
        Bytes(s_good[1..]), Bytes(s_good[..4]), Bytes([s_good[0], s_good[1], s_good[3], s_good[4]]),
        Bytes([s_good[0], s_good[1], s_good[2], s_good[4]]),
        Bytes([s_good[0], s_good[0], .. s_good[1..]]), Bytes([s_good[1], s_good[0], .. s_good[2..]]),
        Bytes([s_good[0], (2, 8, 1000), .. s_good[2..]]),
        Bytes([s_good[0], (2, 6, NoId), .. s_good[2..]]), Bytes([s_good[0], s_good[1], s_good[1], .. s_good[2..]]),
        Bytes([.. s_good, (64, 0, NoId)]),
        Bytes([s_good[0], (2, 6, 9), (2, 6, 8), .. s_good[2..]]),
        Bytes([s_good[0], .. Enumerable.Range(0, 300).Select(id => ((ushort)2, (ushort)6, (uint)id)), .. s_good[2..]]),
    ]);

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_value_that_is_no_ACL_is_EINVAL_and_changes_nothing(byte[] value)
    {
        Assert.Equal(Errno.EINVAL, Set("rm0", value));
        Assert.Equal(0x81B0u, _tree.Find("rm0").Mode);
        Assert.Null(Get("rm0"));
    }

    [Fact]
    public void Random_bytes_are_no_ACL_or_one_that_is_given_back()
    {
        var random = new Random(4711);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] value = Bytes(s_good);
            for (int flips = random.Next(4); flips > 0; flips--)
            {
                value[random.Next(value.Length)] = (byte)random.Next(64);
            }

            if (PosixAcl.TryParse(value, out PosixAcl? acl, out uint mode) && !acl.IsMinimal)
            {
                Assert.True(PosixAcl.TryParse(acl.ToBytes(mode), out PosixAcl? again, out uint same));
                Assert.Equal((acl, mode), (again, same));
            }
        }
    }

    [Fact]
    public void Control_files_take_no_ACL_and_nothing_takes_a_default_one()
    {
        Assert.Equal(Errno.EPERM, Set("objects.max", Bytes(s_good)));
        Assert.Equal(
            Errno.EOPNOTSUPP, _tree.Kernel.SetXattr(Root, NodeId.Root, "system.posix_acl_default"u8, Bytes(s_good), 0));
    }

    /// <summary>
    /// Regression: a user who may make domains gave 512 of them ACLs of 256 entries: 8 MB were written each second, and
    /// the daemon took 130 MB more memory.
    /// </summary>
    [Theory]
    [InlineData(32, 1000, 0)]
    [InlineData(33, 1000, 28)] // ENOSPC
    [InlineData(256, 0, 0)]
    [InlineData(257, 0, 22)] // EINVAL
    public void A_user_sets_no_long_ACL(int named, uint uid, int error)
    {
        _tree.Make("domains", "web");
        _tree.Change("domains/web/rm0", uid: 1000);
        byte[] acl = new PosixAcl(
            6, [.. Enumerable.Range(0, named).Select(id => new AclEntry(AclKind.User, (uint)id, 6))]).ToBytes(0x1B0);
        Assert.Equal(error, Set("domains/web/rm0", acl, new FuseCaller(uid, uid, NoProcess)).Value);
    }

    private static byte[] Bytes((ushort Tag, ushort Permissions, uint Id)[] entries)
    {
        byte[] bytes = new byte[4 + (entries.Length * 8)];
        bytes[0] = 2;
        for (int i = 0; i < entries.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4 + (i * 8)), entries[i].Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(6 + (i * 8)), entries[i].Permissions);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8 + (i * 8)), entries[i].Id);
        }

        return bytes;
    }

    private Errno Set(string path, byte[] value, FuseCaller? caller = null) =>
        _tree.Kernel.SetXattr(
            caller ?? Root, _tree.NumberOf(path), "system.posix_acl_access"u8, value, 0);

    private byte[]? Get(string path)
    {
        var reply = new Fakes.FakeBytesReply();
        Errno error = _tree.Kernel.GetXattr(Root, _tree.NumberOf(path), "system.posix_acl_access"u8, reply);
        Assert.True(error == Errno.None || error == Errno.ENODATA);
        return error.IsError ? null : reply.Bytes;
    }
}
