using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>
/// The locks that the kernel has for each inode. A client can make the kernel hold one for as long as it likes, with
/// memory that never arrives, and whoever waits for the lock cannot even be killed. So nobody else may need a lock that
/// a client can hold.
/// </summary>
public sealed class HeldLockTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    [Theory]
    [InlineData("write")]
    [InlineData("append")]
    public void A_write_to_the_shared_node_from_memory_that_never_arrives_holds_up_nobody_else(string operation)
    {
        string node = Mount.Node;
        using ChildProcess attacker = Hold(User.Member, operation, node);

        foreach (User user in (User[])[User.OtherMember, User.Member, User.Root])
        {
            NewAgent(user).Call("use", node).Data.Succeeded();
        }

        Assert.Null(Admin.Call("chmod", node, "660").Errno);
        Mount.Sandbox.Shell($"setfacl -m u:{User.Outsider.Uid}:rw {node}; touch {node}; setfacl -b {node}; : >{node}");
        Release(attacker);
    }

    [Fact]
    public void A_user_whose_write_never_ends_holds_up_neither_root_nor_another_container_at_the_users_own_node()
    {
        (User user, string path) = NewUser();
        string own = Bind($"{path}/rm0"), other = Bind($"{path}/rm0");
        using ChildProcess attacker = Hold(user, "write", own);

        NewAgent(user).Call("use", other).Data.Succeeded();
        NewAgent(user).Call("use", $"{path}/rm0").Data.Succeeded();
        Admin.Call("use", $"{path}/rm0").Data.Succeeded();
        Assert.Null(Admin.Call("chmod", $"{path}/rm0", "600").Errno);
        Assert.Null(Admin.Call("rmdir", path).Errno);
        Release(attacker);
        Mount.Sandbox.Shell($"umount {own} {other}");
    }

    [Theory]
    [InlineData("cancel")]
    [InlineData("revoke")]
    public void An_order_from_memory_that_never_arrives_holds_up_no_order_of_anybody_else(string order)
    {
        (User user, string path) = NewUser();
        string file = $"{path}/{order}";
        using ChildProcess attacker = Hold(user, "write", file);

        Assert.Equal("ESRCH", TryWrite(file, "999999"));
        Assert.Equal("ESRCH", TryWrite(file, "999999", NewAgent(user)));
        User next = new((uint)NewNumber());
        Assert.Null(Admin.Call("chown", path, next.Uid, -1).Errno);
        Assert.Equal("ESRCH", TryWrite(file, "999999", NewAgent(next)));
        Write($"{path}/weight", "200");
        Release(attacker);
    }

    [Fact]
    public void A_raw_node_and_one_of_a_locality_are_no_worse()
    {
        Mount.Sandbox.Shell($"setfacl -m u:{User.Outsider.Uid}:x {At("locality")} {At("locality/1")}");
        foreach (string node in (string[])[At("raw0"), At("locality/1/rm0")])
        {
            Mount.Sandbox.Shell($"setfacl -m u:{User.Outsider.Uid}:rw {node}");
            using ChildProcess attacker = Hold(User.Outsider, "write", node);
            Assert.Null(Admin.Call("chmod", node, "600").Errno);
            if (!node.EndsWith("raw0", StringComparison.Ordinal))
            {
                Admin.Call("use", node).Data.Succeeded();
            }

            Release(attacker);
            Mount.Sandbox.Shell($"setfacl -b {node}; chmod 600 {node}");
        }

        string directories = $"{At("locality")} {At("locality/1")}";
        Mount.Sandbox.Shell($"setfacl -b {directories}; chmod 700 {directories}");
    }

    [Theory]
    [InlineData(".")]
    [InlineData("users")]
    [InlineData("domains")]
    public void Nobody_but_root_can_list_a_directory_that_everybody_passes_through(string directory)
    {
        foreach (User user in (User[])[User.Outsider, User.Member])
        {
            using ChildProcess attacker = Start(user, "list", At(directory));
            attacker.Input.Close();
            Assert.Contains("Permission denied", attacker.Wait().Error, StringComparison.Ordinal);
        }

        // What waits for the directory's lock is a mkdir by anybody; without a listing that holds it, nothing waits.
        Assert.Equal("EACCES", NewAgent(User.Outsider).Call("mkdir", At($"{directory}/x")).Errno);
        NewAgent(User.Member).Call("use", Mount.Node).Data.Succeeded();
    }

    /// <summary>
    /// Regression: the owner's endless listing held the directory's lock, and a rename from it the root's, for
    /// everybody.
    /// </summary>
    [Fact]
    public void The_owner_of_a_domain_cannot_hold_its_directory_by_listing_it()
    {
        (User user, string path) = NewUser();
        using ChildProcess attacker = Start(user, "list", path);
        attacker.Input.Close();
        Assert.Contains("Permission denied", attacker.Wait().Error, StringComparison.Ordinal);
        Assert.NotEmpty(List(path));
    }

    /// <summary>
    /// Regression: a link to the file that a user held waited with the directory's lock, and a rename behind it with
    /// the root's.
    /// </summary>
    [Fact]
    public void The_owner_of_a_domain_cannot_hold_its_directory_with_a_link_to_a_held_file()
    {
        (User user, string path) = NewUser();
        Assert.Null(NewAgent(user).Call("chmod", path, "777").Errno);
        using ChildProcess attacker = Hold(user, "link", $"{path}/rm0");
        Deadline.Poll(
            () => attacker.Printed.Contains("linked", StringComparison.Ordinal), "a refused link", attacker.Describe);

        Admin.Call("use", $"{path}/rm0").Data.Succeeded();
        NewAgent(User.Member).Call("use", Mount.Node).Data.Succeeded();
        Assert.Null(Admin.Call("rmdir", path).Errno);
        Release(attacker);
    }

    /// <summary>
    /// Regression: the directories of /proc have such locks too, and the threads that serve all requests looked clients
    /// up there.
    /// </summary>
    [Theory]
    [InlineData("")]
    [InlineData("/task")]
    public void A_client_whose_directory_in_proc_nobody_can_look_into_holds_up_nobody(string below)
    {
        string domain = NewDomain();
        Assert.Null(Admin.Call("chmod", domain, "755").Errno);
        Assert.Null(Admin.Call("chmod", $"{domain}/rm0", "666").Errno);
        Agent[] agents = [NewAgent(User.Member), NewAgent(User.Member), NewAgent(User.Member)];
        ChildProcess[] attackers =
            [.. agents.Select(agent => EndWithTest(Hold(User.Member, "close", $"/proc/{agent.Id}{below}")))];

        Assert.All(agents, agent => agent.Open($"{domain}/rm0").Transact(Tpm2.GetRandom(8)).Succeeded());

        string[][] openers = Openers(domain);
        Assert.Equal(agents.Select(agent => $"{agent.Id}"), openers.Select(line => line[2]));
        Assert.All(openers, line => Assert.Equal("python3", line[3]));
        NewAgent(User.OtherMember).Call("use", Mount.Node).Data.Succeeded();
        Assert.All(attackers, Release);
    }

    /// <summary>Makes a user's system call on a file wait for memory for ever, with the file's lock held.</summary>
    private ChildProcess Hold(User user, string operation, string path)
    {
        ChildProcess attacker = Start(user, operation, path);
        string said = operation == "close" ? "closed" : "held";
        Deadline.Poll(
            () => attacker.HasExited || attacker.Printed.Contains(said, StringComparison.Ordinal),
            "memory that the kernel waits for",
            attacker.Describe);
        Assert.False(attacker.HasExited, attacker.Describe());
        return attacker;
    }

    private ChildProcess Start(User user, string operation, string path)
    {
        string folder = Mount.Sandbox.MakeFolder($"stuck{NewNumber()}");
        string client = Path.Combine(Mount.Sandbox.Scripts, "clients", "stuck.py");
        return Mount.Sandbox.Start(user, ["/usr/bin/python3", client, folder, operation, path]);
    }

    /// <summary>The attacker must have held on until now.</summary>
    private static void Release(ChildProcess attacker)
    {
        Assert.False(attacker.HasExited, attacker.Describe());
        attacker.Input.Close();
        attacker.Wait().Succeeded();
    }

    private string Bind(string node)
    {
        string target = Path.Combine(Mount.Sandbox.MakeFolder($"bind{NewNumber()}"), "tpm");
        File.WriteAllText(target, "");
        Mount.Sandbox.Shell($"mount --bind {node} {target}");
        return target;
    }
}
