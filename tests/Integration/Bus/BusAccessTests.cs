using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>
/// Tests who may do what by the bus: the permissions of the nodes decide, as for programs that open them.
/// </summary>
public sealed class BusAccessTests(BusMount mount, ITestOutputHelper output) : BusTests(mount, output)
{
    [Fact]
    public void A_member_of_the_group_is_let_in_and_shown_with_uid_pid_and_door()
    {
        Opener opener = Connect(User.Member);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        string[] line = LineOf(opener);
        Assert.Equal(
            ($"{User.Member.Uid}", "python3", "rm0", "0", "1", "dbus"),
            (line[1], line[3], line[4], line[5], line[8], line[15]));
        Assert.Contains($"D-Bus      {BusMount.Name} on the system bus; connections: ", Read(At("status")));
        opener.Agent.End();
        Deadline.Poll(() => !HasLineOf(opener), "the opener is gone with its process");
    }

    [Fact]
    public void A_user_outside_the_group_is_refused_with_a_sentence_and_in_the_audit()
    {
        Agent agent = NewBusAgent(User.Outsider);
        Assert.Equal("ECONNREFUSED", agent.Call("tcti_open", "tabrmd").Errno);
        const string Sentence = "may not open rm0 of tpmfs: its permissions";
        Deadline.Poll(
            () => Mount.Daemon.Printed.Contains(
                $"a call of process {agent.Id} (python3) of user {User.Outsider.Uid} is refused: user "
                    + $"{User.Outsider.Uid} {Sentence}",
                StringComparison.Ordinal),
            "the refusal is in the audit", () => Mount.Daemon.Printed);
        string answer = Bus.Call(
            User.Outsider, BusMount.Name, BusMount.Object, $"{BusMount.Interface}.CreateConnection").Error;
        Assert.Contains("org.freedesktop.DBus.Error.AccessDenied", answer, StringComparison.Ordinal);
        Assert.Contains(Sentence, answer, StringComparison.Ordinal);
    }

    [Fact]
    public void An_acl_of_the_node_lets_one_more_user_in()
    {
        var user = new User((uint)NewNumber());
        Mount.Sandbox.Shell($"setfacl -m u:{user.Uid}:rw {At("rm0")}");
        Connect(user).Transact(Tpm2.GetRandom(8)).Succeeded();
        Mount.Sandbox.Shell($"setfacl -m u:{user.Uid}:r {At("rm0")}");
        Assert.Equal("ECONNREFUSED", NewBusAgent(user).Call("tcti_open", "tabrmd").Errno);
        Mount.Sandbox.Shell($"setfacl -x u:{user.Uid} {At("rm0")}");
    }

    [Fact]
    public void A_user_who_has_a_directory_gets_that_domain_with_its_limits()
    {
        (User user, string path) = NewUser();
        Write(Path.Combine(path, "openers.max"), "2");
        Write(Path.Combine(path, "commands.deny"), "TPM2_ReadClock");
        Opener opener = Connect(user);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Equal(Layer | 0x143, opener.Transact(Tpm2.ReadClock()).Code());
        Assert.Contains(" rm0 0 ", Read(Path.Combine(path, "openers")));
        Connect(opener.Agent);
        Assert.Equal("ECONNREFUSED", opener.Agent.Call("tcti_open", "tabrmd").Errno);
        Mount.Daemon.AwaitPrinted("openers.max");

        Mount.Sandbox.Shell($"chmod 0 {path}");
        opener.Close();
        Assert.Equal("ECONNREFUSED", NewBusAgent(user).Call("tcti_open", "tabrmd").Errno);
    }

    [Fact]
    public void A_connection_belongs_to_the_program_that_made_it()
    {
        Opener opener = Connect(User.Member);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        User[] others = [User.Root, User.OtherMember, User.Member];
        foreach (string arguments in (string[])["Cancel uint64:{0}", "SetLocality uint64:{0} byte:0"])
        {
            foreach (User other in others)
            {
                // the number of a connection is the second half of its id, and there are no others than these
                for (ulong number = 0; number < 100; number++)
                {
                    string[] words = [.. arguments.Split(' ').Select(word => word.Replace(
                        "{0}", $"{number << 32}", StringComparison.Ordinal))];
                    Outcome outcome = Bus.Call(
                        other, BusMount.Name, BusMount.Object, $"{BusMount.Interface}.{words[0]}", words[1..]);
                    Assert.Contains("was not made by this caller", outcome.Error, StringComparison.Ordinal);
                    if (number > 2 && other != User.Root)
                    {
                        break;
                    }
                }
            }
        }

        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void Arguments_of_another_signature_and_unknown_methods_are_refused()
    {
        (string Call, string Expected)[] calls =
        [
            ("Cancel", "takes arguments of the signature 't', not ''"),
            ("Cancel string:1", "takes arguments of the signature 't', not 's'"),
            ("CreateConnection uint64:1", "takes arguments of the signature '', not 't'"),
            ("SetLocality uint64:1 uint32:0", "takes arguments of the signature 'ty', not 'tu'"),
            ("Flush", "org.freedesktop.DBus.Error.UnknownMethod"),
        ];
        foreach ((string call, string expected) in calls)
        {
            string[] words = call.Split(' ');
            Outcome outcome = Bus.Call(BusMount.Name, BusMount.Object, $"{BusMount.Interface}.{words[0]}", words[1..]);
            Assert.Contains(expected, outcome.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Introspection_shows_the_methods()
    {
        string shown = Bus.Call(
            BusMount.Name, BusMount.Object, "org.freedesktop.DBus.Introspectable.Introspect").Succeeded().Output;
        Assert.All(
            (string[])["CreateConnection", "Cancel", "SetLocality"],
            method => Assert.Contains(method, shown, StringComparison.Ordinal));
    }

    [Fact]
    public void A_revoked_connection_ends()
    {
        Opener opener = Connect(User.Member);
        uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal(Tpm2.TransientFirst, key & 0xFF00_0000);
        Write(At("revoke"), LineOf(opener)[0]);
        Assert.Empty(opener.Read().Data);
        AssertTpmEmpties();
    }

    private string[] LineOf(Opener opener) => Lines(opener).Single();

    private bool HasLineOf(Opener opener) => Lines(opener).Any();

    private IEnumerable<string[]> Lines(Opener opener) =>
        Read(At("openers")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .Where(words => words[2] == $"{opener.Agent.Id}");
}
