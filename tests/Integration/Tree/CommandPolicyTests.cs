using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>commands.deny: how it is written, and what those who are refused get.</summary>
public sealed class CommandPolicyTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const uint Denied = Layer | 0x143;

    /// <summary>
    /// The commands of each set, by their codes; those that the TPM does not implement are refused for that reason.
    /// </summary>
    public static TheoryData<string, uint[]> Sets => new()
    {
        {
            "@admin",
            [
                0x126, 0x127, 0x121, 0x129, 0x12E, 0x124, 0x125, 0x12D, 0x13F, 0x140,
                0x12B, 0x12C, 0x139, 0x13A, 0x12F, 0x141, 0x128, 0x130, 0x132, 0x11F,
            ]
        },
        { "@power", [0x145] },
        { "@nv-write", [0x120, 0x12A, 0x122, 0x137, 0x134, 0x135, 0x136, 0x138] },
        { "@pcr-write", [0x182, 0x13C, 0x13D] },
    };

    [Fact]
    public void A_users_or_domains_node_does_not_clear_change_or_shut_down_the_tpm()
    {
        (User user, string home) = NewUser();
        string domain = NewDomain();
        foreach ((Opener opener, string directory) in (IEnumerable<(Opener, string)>)[
            (OpenAt($"{home}/rm0", user), home), (OpenAt($"{domain}/rm0"), domain),
            (OpenAt($"{domain}/locality/4/rm0"), domain)])
        {
            long before = ReadKeys($"{directory}/stat")["denied"];
            int atTpm = AtTpm();
            Assert.Equal(Denied, opener.Transact(TreeCommands.Clear()).Code());
            Assert.Equal(Denied, opener.Transact(TreeCommands.HierarchyChangeAuth([1])).Code());
            Assert.Equal(Denied, opener.Transact(TreeCommands.Shutdown()).Code());
            Assert.Equal(0x100u, opener.Transact(TreeCommands.Startup()).Code());
            Assert.Equal(before + 4, ReadKeys($"{directory}/stat")["denied"]);
            Assert.Equal(atTpm, AtTpm());
            opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        }

        int AtTpm() => Mount.Proxy.Commands.Count(
            code => code is TpmCc.Clear or TpmCc.HierarchyChangeAuth or TpmCc.Shutdown or TpmCc.Startup);
    }

    /// <summary>
    /// Firmware of a virtual machine that has the root's node switches all hierarchies off when its own Startup fails,
    /// as it does on a TPM that was started long before.
    /// </summary>
    [Fact]
    public void Nobody_switches_everybodys_hierarchies_off_on_the_roots_node_unless_root_has_let_them()
    {
        const uint Enabled = 0b1111;
        Opener member = OpenAt(At("rm0"), User.Member);
        Opener root = OpenAt(At("rm0"));
        foreach (Opener opener in (IEnumerable<Opener>)[member, root])
        {
            foreach (uint hierarchy in (IEnumerable<uint>)[Tpm2.Owner, 0x4000_000B, 0x4000_000C])
            {
                Assert.Equal(Denied, opener.Transact(TreeCommands.SwitchOff(hierarchy)).Code());
            }
        }

        Assert.Equal(Enabled, StartupClear() & Enabled);
        member.Transact(Tpm2.CreatePrimary()).NewHandle();
        member.Transact(TreeCommands.DictionaryAttackLockReset()).Succeeded();

        Write(At("commands.deny"), "-@platform");
        member.Transact(TreeCommands.SwitchOff(Tpm2.Owner)).Succeeded();
        Write(At("commands.deny"), "+@platform");
        Assert.Equal("@platform\n", Read(At("commands.deny")));
        Opener raw = OpenAt(At("raw0"));
        raw.Transact(TreeCommands.SwitchOn(Tpm2.Owner)).Succeeded();
        raw.Close();
        Assert.Equal(Enabled, StartupClear() & Enabled);

        uint StartupClear() => root.Transact(Tpm2.GetCapability(6, 0x201, 1)).Property();
    }

    /// <summary>
    /// A timer of the TPM resets the machine when it ends. Firmware has to set it, and any member of the group could:
    /// on most machines that takes no authorization.
    /// </summary>
    [Fact]
    public void Nobody_sets_the_timer_that_resets_the_machine_unless_root_has_let_them()
    {
        (User user, string home) = NewUser();
        foreach (Opener opener in (IEnumerable<Opener>)[
            OpenAt(At("rm0"), User.Member), OpenAt(At("rm0")), OpenAt($"{home}/rm0", user)])
        {
            Assert.Equal(Denied, opener.Transact(TreeCommands.SetTimer()).Code());
        }
    }

    /// <summary>
    /// A container's domain refused all commands about the lockout. One TPM2_PolicySecret with a wrong authorization
    /// kept root from ending a lockout all the same (0x921), for as long as the TPM's recovery takes.
    /// </summary>
    [Fact]
    public void Nobody_keeps_root_from_ending_a_lockout_by_a_wrong_authorization_in_a_domain()
    {
        (User user, string home) = NewUser();
        Opener opener = OpenAt($"{home}/rm0", user);
        uint session = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        uint answer = opener.Transact(TreeCommands.PolicySecretOfLockout(session, "wrong"u8)).Code();
        uint bound = opener.Transact(TreeCommands.SessionBoundToLockout()).Code();

        OpenAt(At("rm0")).Transact(TreeCommands.DictionaryAttackLockReset()).Succeeded();
        Assert.Equal((Denied, Denied), (answer, bound));
    }

    [Fact]
    public void A_refusal_is_logged_with_the_user_the_process_and_the_command()
    {
        (User user, string home) = NewUser();
        Opener opener = OpenAt($"{home}/rm0", user);
        opener.Transact(TreeCommands.Clear());
        Deadline.Poll(
            () => Mount.Daemon.Printed.Split('\n').Any(line => line.Contains("Clear", StringComparison.Ordinal)
                && line.Contains(user.Uid.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
                && line.Contains(opener.Agent.Id.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)),
            "a refusal in the log",
            Mount.Daemon.Describe);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void A_set_refuses_its_commands_and_no_others(string set, uint[] codes)
    {
        string domain = NewDomain();
        Write($"{domain}/commands.deny", set);
        Assert.Equal(set + "\n", Read($"{domain}/commands.deny"));
        Opener opener = OpenAt($"{domain}/rm0");
        Assert.All(codes, code => Assert.Equal((code, Denied), (code, opener.Transact(Bare(code)).Code())));
        uint[] useful = [0x120, 0x12A, 0x122, 0x137, 0x182, 0x131, 0x153, 0x157, 0x15E, 0x176, 0x181];
        Assert.All(
            useful.Except(codes)
                .Except(Sets.Where(other => Equals(other[0], set)).SelectMany(other => (uint[])other[1])),
            code => Assert.NotEqual((code, Denied), (code, opener.Transact(Bare(code)).Code())));
    }

    [Fact]
    public void The_set_of_all_refuses_all_but_leaves_the_opener_good()
    {
        string domain = NewDomain();
        Opener opener = OpenAt($"{domain}/rm0");
        uint key = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Write($"{domain}/commands.deny", "@all");
        Assert.Equal(Denied, opener.Transact(Tpm2.GetRandom(8)).Code());
        Assert.Equal(Denied, opener.Transact(Tpm2.ReadPublic(key)).Code());
        Write($"{domain}/commands.deny", "@admin");
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        opener.Transact(Tpm2.ReadPublic(key)).Succeeded();
    }

    [Theory]
    [InlineData("TPM2_GetRandom")]
    [InlineData("0x17b")]
    [InlineData("0x17B")]
    [InlineData("0x0000017B")]
    public void A_command_is_named_or_numbered(string name)
    {
        string domain = NewDomain();
        Write($"{domain}/commands.deny", name);
        Opener opener = OpenAt($"{domain}/rm0");
        Assert.Equal(Denied, opener.Transact(Tpm2.GetRandom(48)).Code());
        Assert.Equal(Denied, opener.Transact(Tpm2.GetRandom(8)).Code());
        opener.Transact(Tpm2.ReadClock()).Succeeded();
        opener.Transact(TreeCommands.Shutdown()).Succeeded();
        opener.Transact(TreeCommands.Startup());
        string read = Read($"{domain}/commands.deny");
        Assert.Null(TryWrite($"{domain}/commands.deny", read));
        Assert.Equal(read, Read($"{domain}/commands.deny"));
    }

    [Fact]
    public void The_first_write_of_an_open_replaces_the_list_and_later_ones_add()
    {
        string file = NewDomain() + "/commands.deny";
        Opener writer = Admin.Open(file, "O_WRONLY");
        Assert.Null(writer.Write("TPM2_ReadClock\n"u8.ToArray()).Errno);
        Assert.Null(writer.Write("TPM2_GetRandom\nTPM2_Hash\n"u8.ToArray()).Errno);
        writer.Close();
        Assert.Equal(["TPM2_GetRandom", "TPM2_Hash", "TPM2_ReadClock"], Lines(file));
        Mount.Sandbox.Shell($"printf '@pcr-write\\n' >{file}");
        Assert.Equal(["@pcr-write"], Lines(file));
        Mount.Sandbox.Shell($"echo >{file}");
        Assert.Empty(Lines(file));
    }

    [Fact]
    public void Plus_and_minus_change_the_list()
    {
        string domain = NewDomain();
        string file = $"{domain}/commands.deny";
        Opener opener = OpenAt($"{domain}/rm0");
        Write(file, "+TPM2_GetRandom");
        Assert.Equal(["@admin", "@power", "TPM2_GetRandom"], Lines(file));
        Assert.Equal(Denied, opener.Transact(Tpm2.GetRandom(8)).Code());
        Write(file, "+TPM2_ReadClock\n-TPM2_GetRandom");
        Assert.Equal(["@admin", "@power", "TPM2_ReadClock"], Lines(file));
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        Write(file, "-@power");
        opener.Transact(TreeCommands.Shutdown()).Succeeded();
        opener.Transact(TreeCommands.Startup());
        Assert.Equal(Denied, opener.Transact(TreeCommands.Clear()).Code());

        // One command out of a set that stays.
        Write(file, "-TPM2_Clear");
        opener.Transact(TreeCommands.Clear()).Succeeded();
        Assert.Equal(Denied, opener.Transact(TreeCommands.HierarchyChangeAuth([])).Code());
    }

    [Theory]
    [InlineData("TPM2_Nonsense", "TPM2_Nonsense")]
    [InlineData("@nonsense", "@nonsense")]
    [InlineData("0xZZ", "0xZZ")]
    [InlineData("0x1FFFFFFFF", "0x1FFFFFFFF")]
    [InlineData("0x17B\0", "0x17B")]
    [InlineData("TPM2_Clear TPM2_Hash", "TPM2_Clear TPM2_Hash")]
    [InlineData("TPM2_Clear\nTPM2_Nonsense", "TPM2_Nonsense")]
    [InlineData("+", "commands.deny")]
    [InlineData("-@nonsense", "@nonsense")]
    public void What_names_no_command_is_invalid_is_named_in_the_log_and_changes_nothing(string text, string named)
    {
        string file = NewDomain() + "/commands.deny";
        int printed = Mount.Daemon.Printed.Length;
        Assert.Equal("EINVAL", TryWrite(file, text + "\n"));
        Assert.Equal("@admin\n@power\n", Read(file));
        Deadline.Poll(
            () => Mount.Daemon.Printed[printed..].Contains(named, StringComparison.Ordinal), "what is wrong in the log",
            Mount.Daemon.Describe);
    }

    [Theory]
    [InlineData("keys.sh")]
    [InlineData("seal.sh")]
    [InlineData("nv.sh")]
    [InlineData("pcr.sh")]
    [InlineData("persistent.sh")]
    public void Normal_flows_of_tpm2_tools_work_under_the_default_policy(string flow)
    {
        (User user, string home) = NewUser();

        // The last step of nv.sh resets the lockout counter, which is an administrator's.
        string allow = flow == "nv.sh" ? "-TPM2_DictionaryAttackLockReset" : "-TPM2_ClockSet";
        Write($"{home}/commands.deny", allow);
        string expected = Flow.Run(Mount.Sandbox, User.Root, flow, Flow.BareTpm(Mount.Bare));
        Assert.Equal(expected, Flow.Run(Mount.Sandbox, user, flow, Flow.Node($"{home}/rm0")));
    }

    [Fact]
    public void Systemd_creds_seals_and_unseals_under_the_default_policy()
    {
        (User user, string home) = NewUser();
        const string script = """
            cd "$HOME"
            printf 'a secret' | systemd-creds --with-key=tpm2 --tpm2-device="$0" --tpm2-pcrs=16 \
                --name=secret encrypt - sealed
            systemd-creds --tpm2-device="$0" --name=secret decrypt sealed -
            """;
        using ChildProcess client = Mount.Sandbox.Start(
            user,
            ["sh", "-euc", script, $"{home}/rm0"],
            new Dictionary<string, string> { ["HOME"] = Mount.Sandbox.MakeFolder($"home{user.Uid}") });
        client.Input.Close();
        Assert.EndsWith("a secret", client.Wait().Succeeded().Output.TrimEnd(), StringComparison.Ordinal);
    }

    private string[] Lines(string file) =>
        [.. Read(file).Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];

    /// <summary>A header alone: policy refuses it, and nothing else can come of it.</summary>
    private static byte[] Bare(uint code) => new TpmCommandBuilder((TpmCc)code).Build();
}
