using TpmFs.Host;
using TpmFs.Permissions;

namespace TpmFs.Daemon.Tests.Host;

public sealed class NodeOwnerTests
{
    [Fact]
    public void Run_by_root_rm0_is_for_the_group_tss()
    {
        Assert.True(NodeOwner.TryOfRm0(0, 0, null, null, Find, out Access access, out string? warning, out _));
        Assert.Equal(new Access(0x1B0, 0, 109), access);
        Assert.Null(warning);
    }

    [Fact]
    public void Without_that_group_rm0_is_roots_alone_and_a_warning_says_how_to_make_it()
    {
        Assert.True(NodeOwner.TryOfRm0(0, 0, null, null, _ => null, out Access access, out string? warning, out _));
        Assert.Equal(new Access(0x180, 0, 0), access);
        Assert.Contains("groupadd --system tss", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_by_a_user_rm0_is_theirs_alone()
    {
        Assert.True(NodeOwner.TryOfRm0(1000, 1001, null, null, Find, out Access access, out string? warning, out _));
        Assert.Equal(new Access(0x180, 1000, 1001), access);
        Assert.Null(warning);
    }

    [Theory]
    [InlineData("users", 100u)]
    [InlineData("4711", 4711u)]
    public void The_configuration_names_a_group_or_its_number(string group, uint gid)
    {
        Assert.True(NodeOwner.TryOfRm0(0, 0, 0x1A0, group, Find, out Access access, out _, out _));
        Assert.Equal(new Access(0x1A0, 0, gid), access);
    }

    [Fact]
    public void A_group_that_is_not_there_is_an_error()
    {
        Assert.False(NodeOwner.TryOfRm0(0, 0, null, "nobody-here", Find, out _, out _, out string? problem));
        Assert.Contains("no group 'nobody-here'", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Groups_are_looked_up_in_the_system()
    {
        Assert.Equal(0u, NodeOwner.FindGroup("root"));
        Assert.Null(NodeOwner.FindGroup("no-such-group-here"));
    }

    [Fact]
    public void Everybody_passes_through_the_root_directory_of_roots_daemon_and_nobody_through_a_users()
    {
        Assert.Equal(new Access(0x1C9, 0, 0), NodeOwner.OfRoot(0, 0));
        Assert.Equal(new Access(0x1C0, 1000, 1001), NodeOwner.OfRoot(1000, 1001));
    }

    private static uint? Find(string group) => group switch
    {
        "tss" => 109,
        "users" => 100,
        _ => null,
    };
}
