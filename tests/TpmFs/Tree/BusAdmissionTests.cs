using Tmds.DBus.Protocol;
using TpmFs.Clients;
using TpmFs.Configuration;
using TpmFs.Doors.DBus;

namespace TpmFs.Daemon.Tests.Tree;

/// <summary>Callers of the bus may open what they could open of the tree.</summary>
public sealed class BusAdmissionTests : IDisposable
{
    private const uint TreeGroup = 109;
    private static readonly DBusConnection s_bus = new("unix:path=/none");

    private readonly TreeFixture _tree = new(new Settings());

    [Theory]
    [InlineData(0u, 0u, true)]
    [InlineData(1001u, 101u, false)]
    [InlineData(1001u, TreeGroup, true)]
    public void The_roots_rm0_is_for_those_whom_its_mode_lets_in(uint uid, uint group, bool expected)
    {
        Assert.Equal(expected ? Errno.None : Errno.EACCES, Admit(Caller(uid, group), out string node));
        Assert.Equal("rm0", node);
    }

    [Fact]
    public void A_caller_whose_groups_are_not_told_has_none() =>
        Assert.Equal(
            Errno.EACCES, Admit(Caller(1001, TreeGroup) with { Groups = null }, out _));

    [Fact]
    public void A_user_with_a_directory_gets_its_node_and_no_other_even_when_that_is_closed()
    {
        _tree.Make("users", "1001");
        BusCaller caller = Caller(1001, TreeGroup);
        Assert.Equal(Errno.None, Admit(caller, out string node));
        Assert.Equal("users/1001/rm0", node);
        _tree.Change("users/1001", mode: 0);
        Assert.Equal(Errno.EACCES, Admit(caller, out _));
        _tree.Change("users/1001", mode: 0x1C0);
        _tree.Change("users/1001/rm0", mode: 0x100); // read alone
        Assert.Equal(Errno.EACCES, Admit(caller, out _));
    }

    [Fact]
    public void A_tpm_that_has_no_managed_node_is_not_there()
    {
        _tree.Facts[0] = _tree.Facts[0] with { Family = TpmFs.Rm.TpmFamily.Tpm12 };
        Assert.Equal(Errno.ENOENT, Admit(Caller(0, 0), out _));
    }

    [Fact]
    public void A_locality_is_for_those_who_may_pass_to_its_node_in_the_same_domain()
    {
        _tree.Make("users", "1001");
        BusCaller caller = Caller(1001, 1001);
        ConversationIdentity root = Identity(""), own = Identity("users/1001");
        Assert.Equal(Errno.None, Check(Caller(0, 0), root, 4));
        Assert.Equal(Errno.EACCES, Check(Caller(1002, TreeGroup), root, 0));
        Assert.Equal(Errno.EACCES, Check(caller, own, 2));
        _tree.Change("users/1001/locality", mode: 0x1C9);
        _tree.Change("users/1001/locality/2", mode: 0x1C9);
        Assert.Equal(Errno.EACCES, Check(caller, own, 2));
        _tree.Change("users/1001/locality/2/rm0", mode: 0x1B6);
        Assert.Equal(Errno.None, Check(caller, own, 2));
        Assert.Equal(Errno.EACCES, Check(caller, own, 3));
        Assert.Equal(Errno.ENOENT, Check(Caller(0, 0), own, 5));
        _tree.Facts[0] = _tree.Facts[0] with { HighestLocality = 0 };
        Assert.Equal(Errno.ENOENT, Check(caller, own, 2));
    }

    [Fact]
    public void Openers_max_holds_and_the_door_is_shown()
    {
        _tree.Write("openers.max", "2");
        Assert.Equal(Errno.None, Admit(Caller(1001, TreeGroup), out _));
        Assert.Equal(Errno.ENFILE, Admit(Caller(1001, TreeGroup), out _));
        Assert.EndsWith(" dbus\n", _tree.Read("openers"), StringComparison.Ordinal);
    }

    public void Dispose() => _tree.Dispose();

    private Errno Admit(BusCaller caller, out string node)
    {
        bool isIn = _tree.Tree.BusAdmission.TryAdmit(
            caller, out node, out Conversation? conversation, out Errno refusal);
        Assert.Equal(isIn, conversation is not null);
        return refusal;
    }

    private Errno Check(BusCaller caller, ConversationIdentity identity, byte locality)
    {
        Errno error = _tree.Tree.BusAdmission.CheckLocality(caller, identity, locality, out string node);
        Assert.EndsWith($"locality/{locality}/rm0", node, StringComparison.Ordinal);
        return error;
    }

    private static BusCaller Caller(uint uid, uint group) => new(s_bus, ":1.1", uid, TreeFixture.NoProcess, [group]);

    private static ConversationIdentity Identity(string domain) =>
        new(1, new Client(1001, 1, "test"), domain, new TpmNodeAddress("rm0", 0, 0, IsRaw: false), 0);
}
