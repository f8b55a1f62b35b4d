using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests who may do what, as the kernel enforces it and the server adds to it.</summary>
public sealed class AccessTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private static readonly User s_acl = new(54_332), s_granted = new(54_331), s_owner = new(54_333);

    private static readonly AccessTable s_table = new("""
                                            member  acl     granted  owner   outsider  root
        list .                              no      no      no       no      no        ok
        list users                          no      no      no       no      no        ok
        list locality                       no      no      no       no      no        ok
        list users/54331                    no      no      no       no      no        ok
        list users/54331/locality           no      no      no       no      no        ok
        list domains/web                    no      no      no       no      no        ok
        list domains/owned                  no      no      no       no      no        ok

        use rm0                             ok      ok      no       no      no        ok
        use raw0                            no      no      no       no      no        ok
        use locality/1/rm0                  no      no      no       no      no        ok
        use locality/1/raw0                 no      no      no       no      no        ok
        use self/rm0                        ENOENT  ENOENT  ok       ENOENT  ENOENT    ENOENT
        use users/54331/rm0                 no      no      ok       no      no        ok
        use users/54331/locality/1/rm0      no      no      no       no      no        ok
        use domains/web/rm0                 no      no      no       no      no        ok
        use domains/owned/rm0               no      no      no       ok      no        ok

        cat objects.max                     ok      ok      ok       ok      ok        ok
        cat stat                            ok      ok      ok       ok      ok        ok
        cat openers                         no      no      no       no      no        ok
        cat users/54331/objects.max         no      no      ok       no      no        ok
        cat users/54331/commands.deny       no      no      ok       no      no        ok
        cat users/54331/stat                no      no      ok       no      no        ok
        cat users/54331/openers             no      no      ok       no      no        ok
        cat domains/owned/openers           no      no      no       ok      no        ok

        echo weight 3130300a                no      no      no       no      no        ok
        echo users/54331/weight 3130300a    no      no      no       no      no        ok
        echo domains/owned/weight 3130300a  no      no      no       no      no        ok
        echo cancel 393939393939            no      no      no       no      no        ESRCH
        echo revoke 393939393939            no      no      no       no      no        ESRCH
        echo users/54331/cancel 3939393939  no      no      ESRCH    no      no        ESRCH
        echo users/54331/revoke 3939393939  no      no      ESRCH    no      no        ESRCH
        echo domains/owned/cancel 39393939  no      no      no       ESRCH   no        ESRCH
        echo domains/owned/revoke 39393939  no      no      no       ESRCH   no        ESRCH

        chmod rm0 660                       no      no      no       no      no        ok
        chmod objects.max 666               no      no      no       no      no        no
        chmod openers 644                   no      no      no       no      no        no
        chmod users/54331 700               no      no      ok       no      no        ok
        chmod users/54331/rm0 600           no      no      ok       no      no        ok
        chmod users/54331/locality 700      no      no      no       no      no        ok
        chmod users/54331/objects.max 666   no      no      no       no      no        no
        chmod users/54331/stat 644          no      no      no       no      no        no
        chmod domains/owned 750             no      no      no       ok      no        ok
        chmod domains/owned/rm0 600         no      no      no       ok      no        ok
        chmod domains/owned/weight 666      no      no      no       no      no        no
        chown rm0 54323 -1                  no      no      no       no      no        ok
        chown rm0 0 -1                      no      no      no       no      no        ok
        chown users/54331/weight 54331 -1   no      no      no       no      no        no
        chown domains/owned/cancel 54333 -1 no      no      no       no      no        no
        acl rm0 54332 6                     no      no      no       no      no        ok
        acl users/54331/rm0 54399 6         no      no      ok       no      no        ok
        acl users/54331/locality 54399 5    no      no      no       no      no        ok
        acl users/54331/weight 54331 6      no      no      no       no      no        no
        acl domains/owned/rm0 54399 6       no      no      no       ok      no        ok
        acl domains/owned/weight 54333 6    no      no      no       no      no        no

        create new                          no      no      no       no      no        no
        create domains/new                  no      no      no       no      no        no
        create users/54331/new              no      no      no       no      no        no
        create domains/owned/new            no      no      no       no      no        no
        unlink rm0                          no      no      no       no      no        no
        unlink users/54331/rm0              no      no      no       no      no        no
        unlink domains/owned/weight         no      no      no       no      no        no
        rename rm0 rm9                      no      no      no       no      no        no
        rename users/54331/rm0 users/54331/rm9  no  no      no       no      no        no
        rename users/54331/rm0 rm9          no      no      no       no      no        no
        rename domains/web domains/web2     no      no      no       no      no        no
        mkdir new                           no      no      no       no      no        no
        mkdir locality/7                    no      no      no       no      no        no
        mkdir users/54331/new               no      no      no       no      no        no
        mkdir domains/owned/new             no      no      no       no      no        no
        mkdir users/54390                   no      no      no       no      no        ok
        mkdir domains/new                   no      no      no       no      no        ok
        rmdir users                         no      no      no       no      no        no
        rmdir locality                      no      no      no       no      no        no
        rmdir locality/1                    no      no      no       no      no        no
        rmdir users/54331/locality          no      no      no       no      no        no
        rmdir domains/owned                 no      no      no       no      no        ok
        rmdir users/54331                   no      no      no       no      no        ok
        """);

    [Fact]
    public void A_user_lets_others_use_the_users_node_and_gives_nothing_else_away()
    {
        (User user, string home) = NewUser();
        Agent owner = NewAgent(user), guest = NewAgent(User.Outsider);
        Assert.Equal("EACCES", guest.Call("use", $"{home}/rm0").Errno);
        Assert.Null(owner.Call("chmod", home, "777").Errno);
        Assert.Null(owner.Call("acl", $"{home}/rm0", User.Outsider.Uid, 6).Errno);
        Opener opener = guest.Open($"{home}/rm0");
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal($"{User.Outsider.Uid}", Assert.Single(Openers(home))[1]);
        Assert.Equal(1, ReadKeys($"{home}/stat")["openers"]);
        foreach (string file in (string[])["openers", "cancel", "revoke"])
        {
            Assert.Equal("EACCES", guest.Call("cat", $"{home}/{file}").Errno);
        }

        Assert.Equal("EACCES", TryWrite($"{home}/objects.max", "65\n", guest));
        Assert.Equal("EACCES", guest.Call("use", $"{home}/locality/1/rm0").Errno);
        Assert.Contains(guest.Call("unlink", $"{home}/rm0").Errno, (string[])["EACCES", "EPERM"]);
        Assert.Contains(guest.Call("rename", $"{home}/rm0", $"{home}/rm1").Errno, (string[])["EACCES", "EPERM"]);
        Assert.Equal("EPERM", guest.Call("chmod", home, "700").Errno);

        // Whom the owner no longer lets in keeps what is open, and the owner can end that.
        Assert.Null(owner.Call("chmod", home, "700").Errno);
        Assert.Equal("EACCES", guest.Call("use", $"{home}/rm0").Errno);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Null(TryWrite($"{home}/revoke", Assert.Single(Openers(home))[0], owner));
        Assert.Equal("ENODEV", opener.Write(Tpm2.GetRandom(8)).Errno);
    }

    [Fact]
    public void Raw_access_and_a_locality_can_be_given_to_a_group()
    {
        var engineer = new User((uint)NewNumber(), (uint)NewNumber());
        Agent agent = NewAgent(engineer);
        Mount.Sandbox.Shell(
            $"cd {At("locality")}; chgrp {engineer.Group} . 3 3/raw0 3/rm0; chmod 710 . 3; chmod 660 3/raw0 3/rm0");
        agent.Call("use", At("locality/3/raw0")).Data.Succeeded();
        agent.Call("use", At("locality/3/rm0")).Data.Succeeded();
        Assert.Equal("EACCES", agent.Call("use", At("locality/2/rm0")).Errno);
        Assert.Equal("EACCES", agent.Call("use", At("raw0")).Errno);
        Assert.Equal("EACCES", NewAgent(User.Outsider).Call("use", At("locality/3/rm0")).Errno);
        Mount.Sandbox.Shell($"cd {At("locality")}; chgrp 0 . 3 3/raw0 3/rm0; chmod 700 . 3; chmod 600 3/raw0 3/rm0");
    }

    [Fact]
    public void Everybody_may_do_what_the_table_says_and_nothing_else()
    {
        Mount.Sandbox.Shell($"""
            cd {Mount.Daemon.MountPoint}
            mkdir users/{s_granted.Uid} domains/web domains/owned
            chown {s_owner.Uid} domains/owned domains/owned/rm0
            setfacl -m u:{s_acl.Uid}:rw rm0
            """);
        (string Name, User User)[] users =
        [
            ("member", User.Member), ("acl", s_acl), ("granted", s_granted), ("owner", s_owner),
            ("outsider", User.Outsider), ("root", User.Root),
        ];
        s_table.Check(users.ToDictionary(user => user.Name, user =>
        {
            Agent agent = NewAgent(user.User);
            Assert.Null(agent.Call("chdir", Mount.Daemon.MountPoint).Errno);
            return agent;
        }));
    }
}
