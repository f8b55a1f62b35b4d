using TpmFs.Integration.Tests.Harness;
using TpmFs.Tpm;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>What the daemon before kept is lost in part, or this daemon gets no memory to keep anything in.</summary>
public sealed class LostMemoryTests : KeptServiceTests
{
    /// <summary>Shorter than a mirror, and long enough for .NET.</summary>
    private const int ShortFiles = 100_000_000;

    /// <summary>
    /// The daemon ended with a NullReferenceException, so that three in a row did, and nobody served the mount. Before
    /// that it was killed by SIGXFSZ.
    /// </summary>
    [Fact]
    public void A_mount_is_served_without_keeping_it_when_there_is_no_memory()
    {
        KeptService service = StartService();
        Opener opener = Open(service.Node);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();

        service.Forget("doors");
        service.LimitFiles(ShortFiles);
        service.Replace();

        Assert.Equal("ENODEV", opener.Write(Tpm2.GetRandom(8)).Errno);
        service.AwaitPrinted("gets no memory that outlives it (File too large");
        service.AwaitPrinted("kept tpm0 tpm0-data\n"); // and no connection to the kernel
        Assert.Single(Sandbox.FuseMounts);
        Opener next = Open(service.Node);
        next.Transact(Tpm2.CreatePrimary()).NewHandle();

        service.LimitFiles(-1);
        service.Replace();
        Assert.Contains(next.Write(Tpm2.GetRandom(8)).Errno, (string?[])["ECONNABORTED", "ENOTCONN"]);
        Assert.Single(Sandbox.FuseMounts);
        Opener last = Open(service.Node);
        last.Transact(Tpm2.GetRandom(8)).Succeeded();
        last.Close();
        AssertTpmEmpties(service);
    }

    /// <summary>
    /// They went on with no handles, and the TPM got a command that was under way a second time.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Openers_of_a_TPM_end_when_what_it_held_is_lost_and_others_go_on(bool isFlushed)
    {
        string file = Path.Combine(Sandbox.MakeRootsFolder("configuration"), "tpmfs.json");
        File.WriteAllText(file, $$"""{ "flush_at_start": {{(isFlushed ? "true" : "false")}} }""");
        KeptService service = Own(new KeptService(
            Sandbox, $"swtpm:path={Proxy.Socket}", Sandbox.MakeFolder("mnt"), more: ["--config", file]));
        Opener opener = Open(service.Node);
        opener.Transact(Tpm2.StartAuthSession(policy: true)).NewHandle();
        service.Forget("tpm0");
        service.Replace();

        Assert.Equal("ENODEV", opener.Write(Tpm2.GetRandom(8)).Errno);
        service.AwaitPrinted("what the TPM held for it is not known");
        service.AwaitPrinted("the record of it is not there. " + (isFlushed ? "It is flushed" : "It stays in the TPM"));
        Open(service.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        Assert.Equal(isFlushed, TpmContents.Of(Proxy).IsEmpty);
    }

    /// <summary>
    /// Regression: each daemon had the service manager drop the connection to the TPM, and store it again. Where it was
    /// killed in between, the connection was lost, and the command that was under way on it.
    /// </summary>
    [Fact]
    public void What_a_daemon_takes_over_is_not_dropped_and_stored_again()
    {
        KeptService service = StartService();
        Open(service.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        service.Replace();
        service.Replace();
        Open(service.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        string[] stored =
            [.. service.Printed.Split('\n').Where(line => line.StartsWith("stored ", StringComparison.Ordinal))];
        Assert.Equal(["stored doors", "stored fuse", "stored tpm0", "stored tpm0-data"], stored.Order());
    }

    /// <summary>
    /// Regression: the next daemon waited on its new connection for the response to what was sent on the lost one, and
    /// nobody got an answer for two minutes.
    /// </summary>
    [Fact]
    public void A_command_under_way_on_a_connection_that_is_lost_fails_and_others_go_on()
    {
        KeptService service = StartService();
        Opener slow = Open(service.Node);
        Opener waiting = Open(service.Node);
        TpmHold hold = Proxy.Hold(TpmCc.CreatePrimary);
        slow.Submit(Tpm2.CreatePrimary());
        hold.WaitUntilHeld();
        waiting.Submit(Tpm2.GetRandom(8));
        service.Forget("tpm0-data");
        service.Replace();

        Assert.Equal("EIO", slow.Read().Errno);
        waiting.Read().Data.Succeeded();
        hold.Release();
        Assert.Equal(1, Proxy.Count(TpmCc.CreatePrimary));
    }

    [Fact]
    public void From_a_version_with_an_unknown_format_the_mount_is_taken_over_and_openers_end()
    {
        KeptService service = StartService();
        Opener opener = Open(service.Node);
        opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        service.SetFormat("doors", 99);
        service.Replace();

        Assert.Equal("ENODEV", opener.Write(Tpm2.GetRandom(8)).Errno);
        service.AwaitPrinted("its format is 99, and this tpmfs reads format 1");
        Assert.Single(Sandbox.FuseMounts);
        Opener next = Open(service.Node);
        next.Transact(Tpm2.CreatePrimary()).NewHandle();
        service.Replace();
        next.Transact(Tpm2.GetRandom(8)).Succeeded(); // it is kept from then on
        next.Close();
        AssertTpmEmpties(service);
    }

    [Fact]
    public void What_three_daemons_in_a_row_die_of_is_dropped()
    {
        KeptService service = StartDyingService();
        Opener opener = Open(service.Node);
        opener.Transact(Tpm2.GetRandom(8)).Succeeded();
        service.Hold();
        service.Kill();
        service.AwaitEnded(1);
        for (int death = 1; death <= 3; death++)
        {
            service.DieAtWrite(1);
            service.Release();
            service.AwaitEnded(1 + death);
        }

        service.AwaitServing();
        Assert.Equal("ENODEV", opener.Write(Tpm2.GetRandom(8)).Errno);
        service.AwaitPrinted("3 daemons ended while they took it over");
        Assert.Single(Sandbox.FuseMounts);
        Open(service.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
    }
}
