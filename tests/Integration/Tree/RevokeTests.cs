using System.Globalization;
using System.Text;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests what a domain shows of its openers, and how they are ended.</summary>
public sealed class RevokeTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    [Fact]
    public void Openers_are_listed_with_who_they_are_and_what_they_hold()
    {
        (User user, string home) = NewUser();
        Assert.Empty(Openers(home));
        Opener opener = OpenAt($"{home}/rm0", user);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        opener.Transact(Tpm2.HashSequenceStart()).NewHandle();
        opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        string[] line = Assert.Single(Openers(home));
        Assert.Equal($"{user.Uid}", line[1]);
        Assert.Equal($"{opener.Agent.Id}", line[2]);
        Assert.Equal("python3", line[3]);
        Assert.Contains("rm0", line[4], StringComparison.Ordinal);
        Assert.Equal(["0", "2", "1", "3"], line[5..9]);
        Assert.Equal(line[0], Assert.Single(Openers(home))[0]);
        Opener other = OpenAt($"{home}/locality/2/rm0");
        string[] second = Assert.Single(Openers(home), one => one[0] != line[0]);
        Assert.Equal(("0", "2"), (second[1], second[5]));
        opener.Close();
        other.Close();
        Deadline.Poll(() => Openers(home).Length == 0, "an empty list");
    }

    [Fact]
    public void The_user_at_open_is_who_counts_even_when_the_descriptor_is_passed_on()
    {
        (User user, string home) = NewUser();
        string script = $"""
            exec 3<>{home}/rm0
            exec setpriv --reuid={user.Uid} --regid={user.Uid} --clear-groups -- sh -c '
                printf "\200\001\000\000\000\014\000\000\001\173\000\010" >&3
                head -c 4096 <&3 | wc -c
                cat'
            """;
        using ChildProcess child = Mount.Sandbox.Start(User.Root, ["sh", "-euc", script]);
        Deadline.Poll(
            () => child.Printed.Contains("20", StringComparison.Ordinal) || child.HasExited, "an answer",
            child.Describe);
        Assert.Equal("0", Assert.Single(Openers(home))[1]);
        child.Input.Close();
        child.Wait(Deadline.Step).Succeeded();
    }

    /// <summary>
    /// After a carriage return in the name, what followed was taken for a line of the process's status.
    /// </summary>
    [Theory]
    [InlineData("x 1\\n9 0 2")]
    [InlineData("x\\rTgid:\\t1")]
    public void A_process_name_cannot_disturb_the_list(string name)
    {
        string domain = NewDomain();
        string script = $"""
            import os, sys
            open("/proc/self/comm", "w", newline="").write("{name}")
            os.open("{domain}/rm0", os.O_RDWR)
            print("open", flush=True)
            sys.stdin.read()
            """;
        using ChildProcess child = Mount.Sandbox.Start(User.Root, ["/usr/bin/python3", "-c", script]);
        Deadline.Poll(
            () => child.Printed.Contains("open", StringComparison.Ordinal) || child.HasExited, "an opener",
            child.Describe);
        string[] line = Assert.Single(Openers(domain));
        Assert.Equal(["0", $"{child.Id}"], line[1..3]);
        Assert.Contains("rm0", line[4], StringComparison.Ordinal);
    }

    /// <summary>
    /// A process opened rm0, gave the file to another one and ended. The list showed the number of whoever got the
    /// process's number next.
    /// </summary>
    [Fact]
    public void A_process_that_got_the_number_of_an_opener_s_process_is_not_taken_for_it()
    {
        string domain = NewDomain();
        string node = $"{domain}/rm0";
        Assert.Null(Admin.Call("chmod", domain, "755").Errno);
        Assert.Null(Admin.Call("chmod", node, "666").Errno);
        using ChildProcess reuse = Mount.Sandbox.Start(
            User.Root,
            [
                "/usr/bin/python3", Path.Combine(Mount.Sandbox.Scripts, "clients", "reuse.py"), node,
                $"{User.Member.Uid}", $"{User.Member.Group}",
            ]);
        Deadline.Poll(
            () => reuse.Printed.Contains('\n', StringComparison.Ordinal) || reuse.HasExited,
            "a process with the number of another", reuse.Describe);
        Assert.False(reuse.HasExited, reuse.Describe());

        Assert.Equal([$"{User.Member.Uid}", "0"], Assert.Single(Openers(domain))[1..3]);
    }

    [Fact]
    public void The_counters_of_a_domain_move()
    {
        string domain = NewDomain();
        Dictionary<string, long> before = ReadKeys($"{domain}/stat");
        string[] documented =
        [
            "openers", "objects", "sessions", "commands", "tpm_commands", "evictions", "denied", "errors", "busy_usec",
            "queue_usec",
        ];
        Assert.Subset(before.Keys.ToHashSet(), documented.ToHashSet());
        Assert.All(before.Values, value => Assert.Equal(0, value));

        Opener opener = OpenAt($"{domain}/rm0");
        for (int i = 0; i < 5; i++)
        {
            opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        }

        opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        Assert.NotEqual(0u, opener.Transact(Tpm2.ReadPublic(0x80FF_0000)).Code());
        opener.Transact(TreeCommands.Clear());
        Dictionary<string, long> after = ReadKeys($"{domain}/stat");
        Assert.Equal(
            (1, 5, 1, 8, 1),
            (after["openers"], after["objects"], after["sessions"], after["commands"], after["denied"]));
        Assert.InRange(after["tpm_commands"], 6, 40);
        Assert.InRange(after["evictions"], 2, 10);
        Assert.InRange(after["errors"], 2, 2);
        Assert.InRange(after["busy_usec"], 1, 60_000_000);

        opener.Close();
        Deadline.Poll(
            () => ReadKeys($"{domain}/stat") is var end
                && (end["openers"], end["objects"], end["sessions"]) == (0, 0, 0), "that all is closed");
        Assert.Equal(8, ReadKeys($"{domain}/stat")["commands"]);
    }

    [Fact]
    public void Failed_authorizations_and_lockouts_are_counted()
    {
        string domain = NewDomain();
        Opener opener = OpenAt($"{domain}/rm0");
        uint key = opener.Transact(TreeCommands.CreateKeyWithPassword("right"u8)).NewHandle();
        List<uint> codes = [];
        while (codes.LastOrDefault() != TreeCommands.Lockout)
        {
            Assert.InRange(codes.Count, 0, 100);
            codes.Add(opener.Transact(TreeCommands.Hmac(key, "wrong"u8)).Code());
        }

        Assert.All(codes[..^1], code => Assert.Equal(TreeCommands.AuthFail, code));
        Dictionary<string, long> stat = ReadKeys($"{domain}/stat");
        Assert.Equal((codes.Count - 1, 1), (stat["auth_failures"], stat["lockouts"]));

        // It is the TPM that is locked, for everybody, until an administrator resets it; the domain may not.
        Opener root = Open();
        uint other = root.Transact(TreeCommands.CreateKeyWithPassword("right"u8)).NewHandle();
        Assert.Equal(TreeCommands.Lockout, root.Transact(TreeCommands.Hmac(other, "right"u8)).Code());
        Assert.Equal(Layer | 0x143, opener.Transact(TreeCommands.DictionaryAttackLockReset()).Code());
        root.Transact(TreeCommands.DictionaryAttackLockReset()).Succeeded();
        opener.Transact(TreeCommands.Hmac(key, "right"u8)).Succeeded();
    }

    [Fact]
    public void Cancel_ends_the_running_command_or_lets_it_end_and_keeps_the_opener()
    {
        (User user, string home) = NewUser();
        Opener opener = OpenAt($"{home}/rm0", user);
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        opener.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        Assert.Null(TryWrite($"{home}/cancel", Assert.Single(Openers(home))[0] + "\n", NewAgent(user)));
        hold.Release();
        Assert.Contains(opener.Read().Data.Code(), (uint[])[0, 0x909]);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Null(TryWrite($"{home}/cancel", Assert.Single(Openers(home))[0]));
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void Cancel_takes_a_command_that_waits_out_of_the_queue()
    {
        Opener slow = Open();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.CreatePrimary);
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        string domain = NewDomain();
        Opener waiting = OpenAt($"{domain}/rm0");
        int before = Mount.Proxy.Count(TpmCc.ReadClock);
        waiting.Submit(Tpm2.ReadClock());
        Task<Reply> read = waiting.BeginRead();
        waiting.Agent.WaitUntilBlockedIn(waiting.Descriptor);
        Write($"{domain}/cancel", Assert.Single(Openers(domain))[0]);
        Assert.Equal(0x909u, waiting.Agent.End(read).Data.Code());
        hold.Release();
        slow.Read().Data.NewHandle();
        Assert.Equal(before, Mount.Proxy.Count(TpmCc.ReadClock));
        waiting.Transact(Tpm2.ReadClock()).Succeeded();
    }

    [Theory]
    [InlineData("revoke")]
    [InlineData("rmdir")]
    public void A_revoked_opener_is_told_by_every_call_and_leaves_nothing_in_the_tpm(string how)
    {
        string domain = NewDomain();
        Opener holder = OpenAt($"{domain}/rm0"), blocked = OpenAt($"{domain}/rm0"), polling = OpenAt($"{domain}/rm0");
        Opener ready = OpenAt($"{domain}/locality/1/rm0");
        Opener bystander = Open();
        uint kept = bystander.Transact(Tpm2.CreatePrimary()).NewHandle();
        holder.Transact(Tpm2.CreatePrimary()).NewHandle();
        holder.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        holder.Transact(Tpm2.ContextSave(holder.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle())).Succeeded();
        ready.Submit(Tpm2.CreatePrimary());
        Assert.Equal(Events.In, ready.Poll(-1, Events.In));
        Task<Reply> poll = polling.Begin("poll", 0, -1);
        polling.Agent.WaitUntilPolling();
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        blocked.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Task<Reply> read = blocked.BeginRead();
        blocked.Agent.WaitUntilBlockedIn(blocked.Descriptor);

        if (how == "rmdir")
        {
            Assert.Null(Admin.Call("rmdir", domain).Errno);
        }
        else
        {
            Assert.All(Openers(domain), line => Write($"{domain}/revoke", line[0]));
        }

        Assert.Equal("ENODEV", blocked.Agent.End(read).Errno);
        Assert.Equal(Events.Error | Events.HangUp, polling.Agent.End(poll).Value & (Events.Error | Events.HangUp));
        foreach (Opener revoked in (Opener[])[holder, blocked, ready, polling])
        {
            Assert.Equal("ENODEV", revoked.Write(Tpm2.GetRandom(8)).Errno);
            Assert.Equal("ENODEV", revoked.Read().Errno);
            Assert.Equal(Events.Error | Events.HangUp, revoked.Poll());
        }

        hold.Release();
        bystander.Transact(Tpm2.ReadPublic(kept)).Succeeded();
        bystander.Close();
        if (how == "revoke")
        {
            OpenAt($"{domain}/rm0").Transact(Tpm2.GetRandom(8)).Succeeded();
            Assert.Null(Admin.Call("rmdir", domain).Errno);
        }

        AssertTpmEmpties();
        Assert.DoesNotContain(Path.GetFileName(domain), List(At("domains")));
    }

    [Fact]
    public void A_user_can_end_the_users_own_openers_and_no_others()
    {
        (User user, string home) = NewUser();
        Agent agent = NewAgent(user);
        Opener first = agent.Open($"{home}/rm0"), second = agent.Open($"{home}/rm0");
        Opener elsewhere = OpenAt($"{NewUser().Path}/rm0");
        string id = Openers(home).MinBy(line => long.Parse(line[0], CultureInfo.InvariantCulture))![0];
        Assert.Null(TryWrite($"{home}/revoke", id + "\n", agent));
        Assert.Equal("ENODEV", first.Write(Tpm2.GetRandom(8)).Errno);
        second.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Equal("ESRCH", TryWrite($"{home}/revoke", id + "\n", agent));
        elsewhere.Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    [Fact]
    public void An_opener_that_is_revoked_at_any_moment_is_told_so_and_nothing_else()
    {
        string domain = NewDomain();
        Agent[] agents = [.. Enumerable.Range(0, 4).Select(_ => NewAgent())];
        List<Reply> replies = [];
        for (int round = 0; round < 40 && replies.All(reply => reply.Errno is null); round++)
        {
            Task<Reply[]> uses = Task.WhenAll(
                Enumerable.Range(0, 250).SelectMany(_ => agents.Select(agent => agent.Begin("use", $"{domain}/rm0"))));
            while (!uses.IsCompleted)
            {
                RevokeListed(domain);
            }

            replies.AddRange(uses.Wait("end of all uses"));
        }

        Assert.All(replies, reply => Assert.Contains(reply.Errno, (string?[])[null, "ENODEV"]));
        Assert.Contains(replies, reply => reply.Errno is not null);
        Assert.Contains(replies, reply => reply.Errno is null);
    }

    [Fact]
    public void The_owner_is_let_in_whoever_else_looks_at_the_same_time()
    {
        (User user, string home) = NewUser();
        Agent owner = NewAgent(user);
        using ChildProcess looker = Mount.Sandbox.Start(
            User.Root, ["sh", "-c", $"while stat {home}/openers {home}/cancel >/dev/null; do :; done"]);
        for (int i = 0; i < 500; i++)
        {
            Assert.Null(owner.Call("cat", $"{home}/openers").Errno);
            Assert.Equal("ESRCH", TryWrite($"{home}/cancel", "1000000\n", owner));
        }
    }

    /// <summary>Regression: only the open asked who owns the domain.</summary>
    [Fact]
    public void A_former_owner_of_a_domain_reads_and_orders_nothing_through_files_that_are_still_open()
    {
        string domain = NewDomain();
        Assert.Null(Admin.Call("chown", domain, User.Member.Uid, 0).Errno);
        Agent former = NewAgent(User.Member);
        Opener openers = former.Open($"{domain}/openers", "O_RDONLY");
        Opener[] orders =
            [former.Open($"{domain}/revoke", "O_WRONLY"), former.Open($"{domain}/cancel", "O_WRONLY")];
        Opener used = OpenAt($"{domain}/rm0");
        byte[] id = Encoding.ASCII.GetBytes(Assert.Single(Openers(domain))[0]);
        Assert.Null(openers.Call("pread", 100, 0).Errno);

        Assert.Null(Admin.Call("chown", domain, User.OtherMember.Uid, 0).Errno);

        Assert.Equal("EACCES", openers.Call("pread", 100, 0).Errno);
        Assert.All(orders, order => Assert.Equal("EACCES", order.Write(id).Errno));
        used.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Null(TryWrite($"{domain}/revoke", Encoding.ASCII.GetString(id), NewAgent(User.OtherMember)));
    }

    [Fact]
    public void A_control_file_of_a_removed_domain_is_gone_for_those_who_have_it_open()
    {
        string domain = NewDomain();
        Opener limit = Admin.Open($"{domain}/objects.max");
        Opener revoke = Admin.Open($"{domain}/revoke", "O_WRONLY");
        Assert.Null(Admin.Call("rmdir", domain).Errno);
        Assert.Equal("ENODEV", limit.Read().Errno);
        Assert.Equal("ENODEV", limit.Write("5"u8.ToArray()).Errno);
        Assert.Equal("ENODEV", revoke.Write("5"u8.ToArray()).Errno);
        Assert.Null(Admin.Call("mkdir", domain).Errno);
        Assert.Equal("64\n", Read($"{domain}/objects.max"));
    }

    /// <summary>
    /// Ids ascend: an opener that was listed may have ended when it is named, those after it are about to come.
    /// </summary>
    private void RevokeListed(string domain)
    {
        foreach (string[] line in Openers(domain))
        {
            ulong listed = ulong.Parse(line[0], CultureInfo.InvariantCulture);
            for (ulong id = listed; id < listed + 8; id++)
            {
                Assert.Contains(
                    TryWrite($"{domain}/revoke", id.ToString(CultureInfo.InvariantCulture)),
                    (string?[])[null, "ESRCH"]);
            }
        }
    }
}
