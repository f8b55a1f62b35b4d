using System.Text;
using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>Tests how limits are read and written, and the effect of each of them.</summary>
public sealed class ControlFileTests(Mount mount, ITestOutputHelper output) : TreeTests(mount, output)
{
    private const uint ObjectMemory = Layer | 0x902, SessionMemory = Layer | 0x903;
    private static readonly string[] s_counts = ["openers.max", "objects.max", "sessions.max", "sessions.saved.max"];

    [Fact]
    public void A_count_is_read_as_it_was_written()
    {
        string domain = NewDomain();
        foreach (string file in s_counts)
        {
            foreach (string value in (string[])["0", "1", "17", "2000000", "max", "5"])
            {
                Write($"{domain}/{file}", value);
                Assert.Equal(value + "\n", Read($"{domain}/{file}"));
            }

            Assert.Null(TryWrite($"{domain}/{file}", "6"));
            Assert.Equal("6\n", Read($"{domain}/{file}"));
            Assert.Null(TryWrite($"{domain}/{file}", "7\n\n"));
            Assert.Equal("7\n", Read($"{domain}/{file}"));
        }
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("-1\n")]
    [InlineData("+5\n")]
    [InlineData("1.5\n")]
    [InlineData("0x10\n")]
    [InlineData("5 6\n")]
    [InlineData("5\n6\n")]
    [InlineData("MAX\n")]
    [InlineData("maximum\n")]
    [InlineData("five\n")]
    [InlineData("99999999999999999999\n")]
    [InlineData("5\0\n")]
    [InlineData("\u0665\n")]
    public void A_bad_value_is_invalid_and_changes_nothing(string value)
    {
        string domain = NewDomain();
        foreach (string file in (string[])[.. s_counts, "weight"])
        {
            string before = Read($"{domain}/{file}");
            Assert.Equal("EINVAL", TryWrite($"{domain}/{file}", value));
            Assert.Equal(before, Read($"{domain}/{file}"));
        }
    }

    [Fact]
    public void A_weight_is_from_1_to_10000()
    {
        string file = NewDomain() + "/weight";
        foreach (string good in (string[])["1", "10000", "250"])
        {
            Write(file, good);
            Assert.Equal(good + "\n", Read(file));
        }

        foreach (string bad in (string[])["0", "10001", "max"])
        {
            Assert.Equal("EINVAL", TryWrite(file, bad + "\n"));
        }

        Assert.Equal("250\n", Read(file));
    }

    [Theory]
    [InlineData(65_536, "EINVAL")]
    [InlineData(65_537, "E2BIG")]
    [InlineData(200_000, "E2BIG")]
    public void A_write_over_64_kib_is_too_big(int size, string errno)
    {
        string domain = NewDomain();
        string file = $"{domain}/{(size <= 65_536 ? "objects.max" : "commands.deny")}";
        string before = Read(file);
        Assert.Equal(errno, TryWrite(file, new string('5', size)));
        Assert.Equal(before, Read(file));
    }

    [Fact]
    public void Truncating_changes_nothing_and_the_offset_is_ignored()
    {
        string file = NewDomain() + "/objects.max";
        Mount.Sandbox.Shell($": >{file}; truncate -s 0 {file}; touch {file}");
        Assert.Equal("64\n", Read(file));
        Opener writer = Admin.Open(file, "O_WRONLY");
        Assert.Null(writer.Write("5\n"u8.ToArray()).Errno);
        Assert.Null(writer.Write("6\n"u8.ToArray()).Errno);
        Assert.Equal("6\n", Read(file));
        Assert.Null(writer.Call("pwrite", Convert.ToHexString("7\n"u8), 100).Errno);
        writer.Close();
        Assert.Equal("7\n", Read(file));
        Mount.Sandbox.Shell($"echo 8 >>{file}; printf 9 | tee {file} >/dev/null");
        Assert.Equal("9\n", Read(file));
    }

    [Fact]
    public void What_an_open_reads_was_made_when_it_began_to_read()
    {
        string file = NewDomain() + "/objects.max";
        Opener reader = Admin.Open(file, "O_RDONLY");
        Assert.Equal("6", Encoding.ASCII.GetString(reader.Read(1).Data));
        Write(file, "71234");
        Assert.Equal("4\n", Encoding.ASCII.GetString(reader.Read().Data));
        Assert.Empty(reader.Read().Data);
        Assert.Null(reader.Call("lseek", 0).Errno);
        Assert.Equal("71234\n", Encoding.ASCII.GetString(reader.Read().Data));
        Assert.Equal("34\n", Encoding.ASCII.GetString(reader.Call("pread", 100, 3).Data));
        reader.Close();
    }

    [Fact]
    public void What_is_read_only_cannot_be_written_even_by_root()
    {
        string domain = NewDomain();
        foreach (string file in (string[])[$"{domain}/stat", $"{domain}/openers", At("status"), At("metrics")])
        {
            Assert.Contains(TryWrite(file, "0\n"), (string[])["EACCES", "EPERM", "EINVAL"]);
        }
    }

    [Theory]
    [InlineData("cancel")]
    [InlineData("revoke")]
    public void An_action_takes_the_id_of_an_opener_of_its_own_domain(string action)
    {
        string domain = NewDomain();
        Assert.Equal("ESRCH", TryWrite($"{domain}/{action}", "1000000\n"));
        Assert.All(
            ["x\n", "-1\n", "\n", "1 2\n", "1\0", "99999999999999999999999\n"],
            bad => Assert.Contains(TryWrite($"{domain}/{action}", bad), (string[])["EINVAL", "ESRCH"]));
        Opener elsewhere = OpenAt($"{NewDomain()}/rm0");
        Opener here = OpenAt($"{domain}/rm0");
        Opener root = Open();
        IEnumerable<string> others = List(At("domains")).Select(name => At($"domains/{name}"))
            .Where(other => other != domain);
        string[] foreign = [.. others.Append(Mount.Daemon.MountPoint).SelectMany(Openers).Select(opener => opener[0])];
        string own = Assert.Single(Openers(domain))[0];
        Assert.Equal((2, false), (foreign.Length, foreign.Contains(own)));
        Assert.All(foreign, id => Assert.Equal("ESRCH", TryWrite($"{domain}/{action}", id)));
        Assert.All([elsewhere, here, root], opener => opener.Transact(Tpm2.GetRandom(8)).Succeeded());
    }

    [Fact]
    public void As_many_openers_as_the_limit_says_and_not_one_more()
    {
        string domain = NewDomain();
        Write($"{domain}/openers.max", "3");
        Agent agent = NewAgent();
        Opener[] openers = [.. Enumerable.Range(0, 3).Select(_ => agent.Open($"{domain}/rm0"))];
        Assert.Equal("ENFILE", agent.Call("open", $"{domain}/rm0", "O_RDWR").Errno);
        Assert.Equal("ENFILE", agent.Call("open", $"{domain}/locality/1/rm0", "O_RDWR").Errno);
        agent.Call("use", Mount.Node).Data.Succeeded();

        Write($"{domain}/openers.max", "4");
        agent.Open($"{domain}/locality/1/rm0");
        Write($"{domain}/openers.max", "1");
        Assert.Equal("ENFILE", agent.Call("open", $"{domain}/rm0", "O_RDWR").Errno);
        Assert.All(openers, opener => opener.Transact(Tpm2.GetRandom(8)).Succeeded());
        Write($"{domain}/openers.max", "max");
        agent.Open($"{domain}/rm0").Transact(Tpm2.GetRandom(8)).Succeeded();
        Write($"{domain}/openers.max", "0");
        Array.ForEach(openers, opener => opener.Close());
        Assert.Equal("ENFILE", agent.Call("open", $"{domain}/rm0", "O_RDWR").Errno);
    }

    [Fact]
    public void The_limit_of_openers_is_exact_when_many_open_at_once()
    {
        string domain = NewDomain();
        Write($"{domain}/openers.max", "10");
        Agent[] agents = [.. Enumerable.Range(0, 4).Select(_ => NewAgent())];
        for (int round = 0; round < 5; round++)
        {
            (Agent Agent, Task<Reply> Open)[] opens =
            [
                .. Enumerable.Range(0, 5)
                    .SelectMany(_ => agents.Select(agent => (agent, agent.Begin("open", $"{domain}/rm0", "O_RDWR")))),
            ];
            (Agent Agent, Reply Reply)[] opened = [.. opens.Select(open => (open.Agent, open.Agent.End(open.Open)))];
            Assert.Equal(10, opened.Count(open => open.Reply.Errno is null));
            Assert.Equal(10, opened.Count(open => open.Reply.Errno == "ENFILE"));
            Assert.Equal(10, Openers(domain).Length);
            Assert.All(
                opened.Where(open => open.Reply.Errno is null),
                open => Assert.Null(open.Agent.Call("close", open.Reply.Value).Errno));
            Deadline.Poll(() => Openers(domain).Length == 0, "the end of all openers");
        }
    }

    [Fact]
    public void As_many_objects_as_the_limit_says_and_not_one_more()
    {
        string domain = NewDomain();
        Write($"{domain}/objects.max", "4");
        Opener opener = OpenAt($"{domain}/rm0");
        uint parent = opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        byte[] created = opener.Transact(Tpm2.CreateHmacKey(parent, [1])).Succeeded();
        byte[] context = opener.Transact(Tpm2.ContextSave(parent)).Succeeded();
        opener.Transact(Tpm2.Load(parent, created)).NewHandle();
        opener.Transact(Tpm2.HashSequenceStart()).NewHandle();
        uint last = opener.Transact(Tpm2.ContextLoad(context)).NewHandle();
        byte[][] oneMore = [Tpm2.CreatePrimary(), Tpm2.Load(parent, created), Tpm2.HashSequenceStart(),
            Tpm2.ContextLoad(context)];
        Assert.All(oneMore, command => Assert.Equal(ObjectMemory, opener.Transact(command).Code()));
        Assert.Equal(4, opener.Transact(Tpm2.ListHandles(Tpm2.TransientFirst)).HandleList().Count);

        Write($"{domain}/objects.max", "5");
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        Assert.Equal(ObjectMemory, opener.Transact(Tpm2.CreatePrimary()).Code());
        Write($"{domain}/objects.max", "2");
        opener.Transact(Tpm2.FlushContext(last)).Succeeded();
        Assert.Equal(ObjectMemory, opener.Transact(Tpm2.CreatePrimary()).Code());
        opener.Transact(Tpm2.ReadPublic(parent)).Succeeded();
        OpenAt($"{domain}/rm0").Transact(Tpm2.CreatePrimary()).NewHandle();
        Open().Transact(Tpm2.CreatePrimary()).NewHandle();
    }

    [Fact]
    public void As_many_sessions_as_the_limit_says_and_not_one_more()
    {
        string domain = NewDomain();
        Write($"{domain}/sessions.max", "2");
        Opener opener = OpenAt($"{domain}/rm0");
        uint first = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        opener.Transact(Tpm2.StartAuthSession(policy: false)).NewHandle();
        Assert.Equal(SessionMemory, opener.Transact(Tpm2.StartAuthSession(policy: true)).Code());

        // One that its client has saved does not count, until it is loaded again.
        byte[] context = opener.Transact(Tpm2.ContextSave(first)).Succeeded();
        uint third = opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        Assert.Equal(SessionMemory, opener.Transact(Tpm2.ContextLoad(context)).Code());
        opener.Transact(Tpm2.FlushContext(third)).Succeeded();
        Assert.Equal(first, opener.Transact(Tpm2.ContextLoad(context)).NewHandle());
        Assert.Equal(SessionMemory, opener.Transact(Tpm2.StartAuthSession(policy: true)).Code());
        Write($"{domain}/sessions.max", "3");
        opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        Assert.Equal(SessionMemory, opener.Transact(Tpm2.StartAuthSession(policy: true)).Code());
    }

    [Fact]
    public void Past_the_limit_of_saved_sessions_the_oldest_gives_way()
    {
        string domain = NewDomain();
        Write($"{domain}/sessions.saved.max", "2");
        Opener opener = OpenAt($"{domain}/rm0");
        byte[][] contexts = [.. Enumerable.Range(0, 3).Select(_ =>
            opener.Transact(Tpm2.ContextSave(opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle()))
                .Succeeded())];
        Assert.Equal(2, opener.Transact(Tpm2.ListHandles(Tpm2.SavedSessions)).HandleList().Count);
        Assert.NotEqual(0u, opener.Transact(Tpm2.ContextLoad(contexts[0])).Code());
        foreach (byte[] context in contexts[1..])
        {
            opener.Transact(Tpm2.FlushContext(opener.Transact(Tpm2.ContextLoad(context)).NewHandle())).Succeeded();
        }
    }

    [Fact]
    public void A_saved_session_of_one_domain_cannot_be_loaded_in_another()
    {
        Opener here = OpenAt($"{NewDomain()}/rm0");
        byte[] context = here.Transact(Tpm2.ContextSave(here.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle()))
            .Succeeded();
        Assert.Equal(0x1CBu, OpenAt($"{NewDomain()}/rm0").Transact(Tpm2.ContextLoad(context)).Code());
        Assert.Equal(0x1CBu, Open().Transact(Tpm2.ContextLoad(context)).Code());
        here.Transact(Tpm2.FlushContext(here.Transact(Tpm2.ContextLoad(context)).NewHandle())).Succeeded();
    }
}
