using System.Collections.Immutable;
using TpmFs.Permissions;

namespace TpmFs.Daemon.Tests.Permissions;

/// <summary>The permissions that the kernel does not check: as acl(5) says.</summary>
public sealed class AccessCheckTests
{
    private const uint Owner = 1000, Group = 100, NamedUser = 1001, NamedGroup = 101;

    [Theory]
    [InlineData("600", "", Owner, "", true)]
    [InlineData("060", "", Owner, "100", false)] // the owner's bits hold for the owner, whatever the group has
    [InlineData("060", "", 7u, "100", true)]
    [InlineData("060", "", 7u, "5 100 6", true)]
    [InlineData("040", "", 7u, "100", false)]
    [InlineData("606", "", 7u, "100", false)] // who is in the group is none of the others
    [InlineData("006", "", 7u, "5", true)]
    [InlineData("000", "", 0u, "", true)] // root
    [InlineData("060", "u:1001:6", NamedUser, "", true)]
    [InlineData("040", "u:1001:6", NamedUser, "", false)] // the mask
    [InlineData("066", "u:1001:4", NamedUser, "100", false)] // a named user's entry is the one that holds
    [InlineData("060", "g:101:6", 7u, "101", true)]
    [InlineData("060", "g:101:4", 7u, "101", false)]
    [InlineData("060", "g:101:6 own:0", 7u, "100 101", true)] // one of several groups is enough
    [InlineData("066", "g:101:4 own:4", 7u, "100 101", false)]
    [InlineData("060", "own:0 u:1001:6", 7u, "100", false)]
    public void Read_and_write_are_allowed_as_the_kernel_would(
        string mode, string acl, uint uid, string groups, bool expected)
    {
        var access = new Access(Convert.ToUInt32(mode, 8), Owner, Group, Acl(acl));
        uint[] of = [.. groups.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)];
        Assert.Equal(expected, access.Allows(uid, of, AccessCheck.ReadAndWrite));
    }

    [Fact]
    public void Search_needs_x_alone()
    {
        var access = new Access(0b001_000_001, Owner, Group);
        Assert.True(access.Allows(Owner, [], AccessCheck.Search));
        Assert.False(access.Allows(7, [Group], AccessCheck.Search));
        Assert.True(access.Allows(7, [], AccessCheck.Search));
        Assert.False(access.Allows(7, [], AccessCheck.ReadAndWrite));
    }

    private static PosixAcl? Acl(string text)
    {
        uint own = 7;
        ImmutableArray<AclEntry>.Builder named = ImmutableArray.CreateBuilder<AclEntry>();
        foreach (string entry in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = entry.Split(':');
            if (parts[0] == "own")
            {
                own = uint.Parse(parts[1]);
            }
            else
            {
                named.Add(
                    new AclEntry(
                        parts[0] == "u" ? AclKind.User : AclKind.Group, uint.Parse(parts[1]), uint.Parse(parts[2])));
            }
        }

        return text.Length == 0 ? null : new PosixAcl(own, named.ToImmutable());
    }
}
