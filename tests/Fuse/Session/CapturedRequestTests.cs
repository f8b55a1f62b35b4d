using System.Reflection;

namespace TpmFs.Fuse.Tests.Session;

/// <summary>
/// From the bytes that a kernel wrote, to what the filesystem sees, to the bytes that the kernel gets.
/// </summary>
public sealed class CapturedRequestTests
{
    /// <summary>struct fuse_attr of <see cref="RecordingFileSystem.Attributes"/>.</summary>
    private const string Attr = "887766554433221101020000000000000200000000000000"
        + "0100000000000000fdffffffffffffff00000000000000000065cd1d8017b42c64000000"
        + "a481000001000000e8030000e7030000000000000010000000000000";

    public static TheoryData<string, string, string> Offered => new()
    {
        { nameof(Captured.Lookup), "lookup 0:0 1 hello",
            "90000000000000005e010000000000001122334455667788000000000000000000000000000000000000000000000000"
            + "0000000000000000"
            + Attr },
        { nameof(Captured.Forget), "forget 102 2", "" },
        { nameof(Captured.BatchForget), "forget 2 17,forget 4 3,forget 3 5", "" },
        { nameof(Captured.GetAttr), "getattr 1 ",
            "7800000000000000040000000000000000000000000000000000000000000000" + Attr },
        { nameof(Captured.Chmod), "setattr 2 mode=180 uid= gid= size= atime= mtime= open=",
            "7800000000000000fc0100000000000000000000000000000000000000000000" + Attr },
        { nameof(Captured.Chown), "setattr 2 mode= uid=1 gid=2 size= atime= mtime= open=",
            "7800000000000000060200000000000000000000000000000000000000000000" + Attr },
        { nameof(Captured.Truncate), "setattr 2 mode= uid= gid= size=0 atime= mtime= open=",
            "7800000000000000100200000000000000000000000000000000000000000000" + Attr },
        { nameof(Captured.UTime),
            "setattr 2 mode= uid= gid= size= atime=1970-01-01T00:00:01.5000000+00:00 "
                + "mtime=1969-12-31T23:59:57.7500000+00:00 open=",
                "7800000000000000160200000000000000000000000000000000000000000000" + Attr },
        { nameof(Captured.ReadLink), "readlink 4", "15000000000000007c0100000000000076616c7565" },
        { nameof(Captured.MkDir), "mkdir 1 dir 1ed",
            "900000000000000084010000000000001122334455667788000000000000000000000000000000000000000000000000"
            + "0000000000000000"
            + Attr },
        { nameof(Captured.RmDir), "rmdir 1 dir", "10000000000000008c01000000000000" },
        { nameof(Captured.Open), "open 3 8802", "20000000000000001e0200000000000007000000000000003100000000000000" },
        { nameof(Captured.Read), "read 3 103 0 4096 8802", "1400000000000000240200000000000064617461" },
        { nameof(Captured.Write), "write 3 103 0 8802 abc", "180000000000000020020000000000000300000000000000" },
        { nameof(Captured.StatFs), "statfs 2",
            "600000000000000046020000000000000100000000000000020000000000000002000000000000000300000000000000"
            + "040000000000000005000000060000000500000000000000000000000000000000000000000000000000000000000000" },
        { nameof(Captured.Flush), "flush 2 101", "10000000000000007401000000000000" },
        { nameof(Captured.FSync), "sync 3 103", "10000000000000002802000000000000" },
        { nameof(Captured.FSyncDir), "sync 1 0", "10000000000000006602000000000000" },
        { nameof(Captured.Release), "release 3 103", "10000000000000003202000000000000" },
        { nameof(Captured.OpenDir), "opendir 1 18800",
            "20000000000000003c0100000000000008000000000000000000000000000000" },
        { nameof(Captured.ReadDir), "readdir 1 0 5 all=True",
            "500000000000000042010000000000008877665544332211010000000000000001000000080000002e00000000000000"
            + "8877665544332211020000000000000004000000080000006e616d6500000000" },
        { nameof(Captured.ReleaseDir), "releasedir 1 0", "10000000000000004401000000000000" },
        { nameof(Captured.Ioctl), "ioctl 3 103 40045401 abcd",
            "2000000000000000260200000000000000000000000000000000000000000000" },
        { nameof(Captured.Poll), "poll 3 103  19", "180000000000000022020000000000004100000000000000" },
        { nameof(Captured.PollAndNotify), "poll 3 103 6 19", "18000000000000002c020000000000004100000000000000" },
        { nameof(Captured.SetXattr), "setxattr 2 user.x val 0", "1000000000000000e001000000000000" },
        { nameof(Captured.GetXattr), "getxattr 2 user.x", "1500000000000000e80100000000000076616c7565" },
        { nameof(Captured.GetXattrSize), "getxattr 2 security.capability",
            "180000000000000002020000000000000500000000000000" },
        { nameof(Captured.ListXattr), "listxattr 2", "1500000000000000ee0100000000000076616c7565" },
        { nameof(Captured.RemoveXattr), "removexattr 2 user.x", "1000000000000000f601000000000000" },
    };

    public static TheoryData<string, string> NotOffered => new()
    {
        { nameof(Captured.Symlink), "10000000ffffffffc201000000000000" },
        { nameof(Captured.MkNod), "10000000f3ffffffca01000000000000" },
        { nameof(Captured.Unlink), "10000000ffffffff9e01000000000000" },
        { nameof(Captured.Rename), "10000000ffffffffac01000000000000" },
        { nameof(Captured.Link), "10000000ffffffffba01000000000000" },
        { nameof(Captured.Create), "10000000f3ffffff9601000000000000" },
        { nameof(Captured.ReadDirPlus), "10000000daffffff4001000000000000" },
        { nameof(Captured.LSeek), "10000000daffffff3c02000000000000" },
        { nameof(Captured.FAllocate), "10000000a1ffffff4202000000000000" },
        { nameof(Captured.CopyFileRange), "10000000a1ffffff5602000000000000" },
        { nameof(Captured.CopyFileRange64), "10000000daffffff5402000000000000" },
        { nameof(Captured.TmpFile), "10000000a1ffffffd801000000000000" },
        { nameof(Captured.StatX), "10000000daffffff8a02000000000000" },
    };

    [Theory]
    [MemberData(nameof(Offered))]
    public void A_request_reaches_the_filesystem_and_its_answer_the_kernel(string request, string call, string reply)
    {
        var fileSystem = new RecordingFileSystem { OnRead = read => read.Complete("data"u8) };
        var fixture = new DispatcherFixture(fileSystem);

        fixture.Dispatch(Bytes(request));

        Assert.Equal(call, string.Join(',', fileSystem.Calls));
        Assert.Equal(reply, string.Concat(fixture.Replies.Select(message => message.Hex)));
        Assert.Empty(fixture.Errors);
    }

    [Theory]
    [MemberData(nameof(NotOffered))]
    public void A_request_for_what_is_not_offered_gets_the_errno_that_suits_it(string request, string reply)
    {
        var fileSystem = new RecordingFileSystem();
        var fixture = new DispatcherFixture(fileSystem);

        fixture.Dispatch(Bytes(request));

        Assert.Equal(reply, fixture.Reply().Hex);
        Assert.Empty(fileSystem.Calls);
        Assert.Empty(fixture.Errors);
    }

    [Theory]
    [MemberData(nameof(Offered))]
    public void The_filesystems_error_reaches_the_kernel_negated_and_alone(string request, string call, string reply)
    {
        var fileSystem = new RecordingFileSystem { Answer = Errno.EACCES, OnRead = read => read.Fail(Errno.EACCES) };
        var fixture = new DispatcherFixture(fileSystem);

        fixture.Dispatch(Bytes(request));

        bool cannotFail = reply.Length == 0 || call.StartsWith("release", StringComparison.Ordinal)
            || call.StartsWith("readdir", StringComparison.Ordinal);
        if (!cannotFail)
        {
            DispatcherFixture.Message header = fixture.Reply();
            Assert.Equal(-13, header.Header.Error);
            Assert.Empty(header.Body);
        }
    }

    [Theory]
    [MemberData(nameof(Offered))]
    public void A_request_cut_short_anywhere_is_refused_and_logged_and_never_served(
        string request, string call, string reply)
    {
        byte[] whole = Bytes(request);
        bool hasBody = whole.Length > 40 && !call.StartsWith("forget", StringComparison.Ordinal);
        for (int length = 40; hasBody && length < whole.Length; length++)
        {
            var fileSystem = new RecordingFileSystem { OnRead = read => read.Complete("data"u8) };
            var fixture = new DispatcherFixture(fileSystem);
            byte[] cut = whole[..length];
            BitConverter.TryWriteBytes(cut, length);

            fixture.Dispatch(cut);

            Assert.Empty(fileSystem.Calls);
            Assert.True(fixture.Reply().Header.Error < 0, $"{request} of {length} bytes, not answered with {reply}");
            Assert.Single(fixture.Errors);
        }
    }

    private static byte[] Bytes(string name) =>
        (byte[])typeof(Captured).GetField(name, BindingFlags.Static | BindingFlags.Public)!.GetValue(null)!;
}
