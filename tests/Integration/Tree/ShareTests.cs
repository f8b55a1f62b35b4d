using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests how much one user can take of what the daemon has for all, with real users on a real mount.</summary>
public sealed class ShareTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private readonly List<ChildProcess> _hoarders = [];

    /// <summary>
    /// One member of the group took all 4,096 openers, and nobody, root included, could open rm0 or raw0.
    /// </summary>
    [Fact]
    public void One_user_who_opens_all_they_can_keeps_neither_another_user_nor_root_out()
    {
        // an opener of an earlier test may still be on its way out
        Deadline.Poll(() => ReadKeys(At("stat")) is var stat && stat["openers"] + stat["revoked"] == 0, "no opener");
        int files = Mount.Daemon.CountFiles();
        (long held, string error) = Hoard(User.Member, "open", Mount.Node, 5000);
        Assert.Equal((2048, "ENFILE"), (held, error));
        Assert.InRange(Mount.Daemon.CountFiles(), 0, files + 20); // an opener costs none

        (held, error) = Hoard(User.OtherMember, "open", Mount.Node, 5000);
        Assert.Equal((1024, "ENFILE"), (held, error));
        Open(user: new User(54_999, Requirements.Group("tss"))).Transact(Tpm2.GetRandom(8)).Succeeded();
        Open().Transact(Tpm2.GetRandom(8)).Succeeded();
        OpenAt(At("raw0")).Transact(Tpm2.GetRandom(8)).Succeeded();
    }

    /// <summary>
    /// The owner of a domain revoked their own openers while they stayed open, and had as many open files as they
    /// liked.
    /// </summary>
    [Fact]
    public void What_is_revoked_keeps_its_place_until_it_is_closed()
    {
        (User user, string home) = NewUser();
        Write($"{home}/openers.max", "20");
        Assert.Equal((20, "ENFILE"), Hoard(user, "open", $"{home}/rm0", 100));
        Agent owner = NewAgent(user);
        Assert.All(Openers(home), line => Assert.Null(TryWrite($"{home}/revoke", line[0], owner)));
        Assert.Empty(Openers(home));

        Assert.Equal("ENFILE", owner.Call("open", $"{home}/rm0", "O_RDWR").Errno);
        OpenAt($"{home}/rm0").Close(); // root's reserve
        EndHoarders();
        Deadline.Poll(() => owner.Call("open", $"{home}/rm0", "O_RDWR").Errno is null, "room for an opener");
    }

    /// <summary>
    /// A user who may make domains made as many as they liked, each with 22 KB of the daemon's memory, and with lines
    /// of status and metrics that everybody reads.
    /// </summary>
    [Fact]
    public void One_user_who_makes_all_the_domains_they_can_keeps_neither_another_user_nor_root_from_it()
    {
        LetTheGroupMakeDomains();
        try
        {
            string prefix = At($"domains/many{NewNumber()}");
            Assert.Equal((512, "EDQUOT"), Hoard(User.Member, "make", prefix, 2000));
            Assert.Equal((256, "EDQUOT"), Hoard(User.OtherMember, "make", prefix + "-other", 2000));
            NewDomain();

            Mount.Sandbox.Run(User.OtherMember, "rmdir", prefix + "-other-0").Succeeded();
            Mount.Sandbox.Run(User.OtherMember, "mkdir", prefix + "-other-0").Succeeded();
        }
        finally
        {
            Mount.Sandbox.Shell($"rmdir {At("domains/many")}*");
        }
    }

    /// <summary>
    /// A user who could write in domains removed those of others too. A user who could write in users made all 1,024
    /// directories there, as those of other users.
    /// </summary>
    [Fact]
    public void A_user_who_may_make_domains_removes_and_makes_none_of_others()
    {
        LetTheGroupMakeDomains();
        string users = At("users");
        Mount.Sandbox.Shell($"setfacl -m g:{Requirements.Group("tss")}:wx {users}");
        string domain = NewDomain();
        string others = At($"domains/others{NewNumber()}");
        Mount.Sandbox.Run(User.OtherMember, "mkdir", others).Succeeded();
        Opener opener = OpenAt($"{domain}/rm0");
        Agent member = NewAgent(User.Member);
        try
        {
            Assert.Equal("EPERM", member.Call("rmdir", domain).Errno);
            Assert.Equal("EPERM", member.Call("rmdir", others).Errno);
            opener.Transact(Tpm2.GetRandom(8)).Succeeded();

            Assert.Equal("EPERM", member.Call("mkdir", $"{users}/{NewNumber()}").Errno);
            Assert.Null(member.Call("mkdir", $"{users}/{User.Member.Uid}").Errno);
            Assert.Null(member.Call("rmdir", $"{users}/{User.Member.Uid}").Errno);
        }
        finally
        {
            Mount.Sandbox.Shell($"setfacl -b {users}; rmdir {others}");
        }
    }

    /// <summary>
    /// A user who may make domains removed each with its openers still open, made it again, and had as many open files
    /// as they liked.
    /// </summary>
    [Fact]
    public void What_is_open_of_domains_that_are_gone_counts_until_it_is_closed()
    {
        LetTheGroupMakeDomains();
        string first = At($"domains/again{NewNumber()}");
        string second = At($"domains/again{NewNumber()}");
        (long here, string error) = Hoard(User.Member, "remake", first, 19_000);
        (long there, string lastError) = Hoard(User.Member, "remake", second, 19_000);
        Assert.Equal(("-", "ENFILE"), (error, lastError));
        Assert.InRange(here + there, 30_000, 32_768);
        OpenAt(Mount.Node, User.OtherMember).Transact(Tpm2.GetRandom(8)).Succeeded();
        OpenAt(At("raw0")).Close();

        EndHoarders();
        Agent user = NewAgent(User.Member);
        Deadline.Poll(() => user.Call("open", Mount.Node, "O_RDWR").Errno is null, "room for an opener");
        Mount.Sandbox.Shell($"rmdir {first} {second}");
    }

    /// <summary>Each open of stat or status kept what it showed, for as many opens as a user liked.</summary>
    [Fact]
    public void One_user_who_opens_control_files_all_the_time_keeps_nobody_from_reading_them()
    {
        (long held, string error) = Hoard(User.Outsider, "peek", At("stat"), 10_000);
        Assert.Equal((2048, "ENFILE"), (held, error));
        Assert.Contains("openers ", Read(At("stat"), NewAgent(User.OtherMember)), StringComparison.Ordinal);
        Assert.Contains("openers ", Read(At("stat")), StringComparison.Ordinal);
    }

    /// <summary>Nothing told an administrator who sat on responses, parked reads or a slow command.</summary>
    [Fact]
    public void Openers_and_stat_show_commands_under_way_waiting_reads_unread_responses_and_what_is_revoked()
    {
        string domain = NewDomain();
        Opener slow = OpenAt($"{domain}/rm0");
        TpmHold hold = Mount.Proxy.Hold(TpmCc.ReadClock);
        slow.Submit(Tpm2.ReadClock());
        hold.WaitUntilHeld();
        Task<Reply> read = slow.BeginRead();
        Deadline.Poll(() => ReadKeys($"{domain}/stat")["waiting_reads"] == 1, "a read that waits");
        Deadline.Poll(() => ReadKeys($"{domain}/stat")["running_usec"] > 1_000_000, "a command that is a second old");
        string[] line = Assert.Single(Openers(domain));
        Assert.Equal(("running", "TPM2_ReadClock", "1", "0"), (line[10], line[12], line[13], line[14]));
        Assert.InRange(long.Parse(line[11], CultureInfo.InvariantCulture), 1, 60);
        Assert.Equal(1, ReadKeys($"{domain}/stat")["running"]);

        hold.Release();
        slow.Agent.End(read);
        slow.Submit(Tpm2.GetRandom(8));
        Deadline.Poll(
            () => ReadKeys($"{domain}/stat") is var stat
                && (stat["unread"], stat["unread_bytes"], stat["running"]) == (1, 20, 0), "a response");
        line = Assert.Single(Openers(domain));
        Assert.Equal(("unread", "TPM2_GetRandom", "0", "20"), (line[10], line[12], line[13], line[14]));
        slow.Read();
        line = Assert.Single(Openers(domain));
        Assert.Equal(("idle", "-", "0", "0"), (line[10], line[12], line[13], line[14]));

        Write($"{domain}/revoke", line[0]);
        Assert.Equal((0, 1), (ReadKeys($"{domain}/stat")["openers"], ReadKeys($"{domain}/stat")["revoked"]));
        slow.Close();
        Deadline.Poll(() => ReadKeys($"{domain}/stat")["revoked"] == 0, "the end of the opener");
    }

    private void LetTheGroupMakeDomains() => Mount.Sandbox.Shell(
        $"chgrp {Requirements.Group("tss")} {At("domains")} && chmod 1731 {At("domains")}");

    private (long Held, string Error) Hoard(User user, string operation, string path, int count)
    {
        string script = Path.Combine(Mount.Sandbox.Scripts, "clients", "hoard.py");
        string limit = count.ToString(CultureInfo.InvariantCulture);
        string[] command = ["prlimit", "--nofile=20000:20000", .. user.Prefix, "/usr/bin/python3", script, operation,
            path, limit];
        ChildProcess hoarder = EndWithTest(Mount.Sandbox.Start(User.Root, command));
        _hoarders.Add(hoarder);
        Deadline.Poll(
            () => hoarder.Printed.Contains('\n', StringComparison.Ordinal) || hoarder.HasExited,
            "what a user holds",
            hoarder.Describe,
            Deadline.Client);
        string[] words = hoarder.Printed.TrimEnd().Split(' ');
        Assert.True(words is ["holds", _, _], hoarder.Describe());
        return (long.Parse(words[1], CultureInfo.InvariantCulture), words[2]);
    }

    private void EndHoarders()
    {
        foreach (ChildProcess hoarder in _hoarders)
        {
            hoarder.Dispose();
        }

        _hoarders.Clear();
    }
}
