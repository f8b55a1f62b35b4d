using System.Globalization;
using TpmFs.Integration.Tests.Harness;
using TpmFs.Integration.Tests.ResourceManager;
using TpmFs.Tpm;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.HandOver;

/// <summary>
/// The daemon is killed again and again while 16 clients use its TPM in every way. None of them notices more than a
/// pause, and the TPM executes each command once.
/// </summary>
public sealed class KillTests : IDisposable
{
    /// <summary>Of the clients, those that send nothing but TPM2_Hash, each time of other data.</summary>
    private static readonly string[] s_hashing = ["hash-block", "hash-poll", "hash-edge", "reopen", "pieces", "raw"];

    private static readonly TimeSpan s_time =
        Soak.Time(usually: TimeSpan.FromSeconds(40), soaking: Soak.Length);

    private readonly ITestOutputHelper _output;
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly TpmProxy _proxy;

    public KillTests(ITestOutputHelper output)
    {
        _output = output;
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _proxy = new TpmProxy(_sandbox, _tpm);
    }

    public void Dispose()
    {
        _proxy.Dispose();
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public void Nobody_notices_that_the_daemon_is_killed_at_random_moments()
    {
        int seed = Random.Shared.Next();
        using var service = new KeptService(_sandbox, $"swtpm:path={_proxy.Socket}", _sandbox.MakeFolder("mnt"));
        using ChildProcess clients = StartClients(service, seed);
        KillUntil(service, () => clients.HasExited, new Random(seed));
        AssertNobodyNoticed(service, clients, seed);
    }

    /// <summary>The daemon of a build of its own kills itself after a write to one of its mirrors.</summary>
    [Fact]
    public void Nobody_notices_that_the_daemon_is_killed_at_a_write_to_a_mirror()
    {
        int seed = Random.Shared.Next();
        using var service = new KeptService(
            _sandbox, $"swtpm:path={_proxy.Socket}", _sandbox.MakeFolder("mnt"),
            new Dictionary<string, string> { ["TPMFS_KILL_WITHIN"] = "5000" }, _sandbox.ProgramWithKillSwitch);
        using ChildProcess clients = StartClients(service, seed);
        AssertNobodyNoticed(service, clients, seed);
    }

    private static ChildProcess StartClients(KeptService service, int seed) => service.Sandbox.Start(
        User.Root,
        [
            "/usr/bin/python3", Path.Combine(service.Sandbox.Scripts, "clients", "survivors.py"), service.MountPoint,
            $"{s_time.TotalSeconds:0}", $"{seed}",
        ]);

    private void AssertNobodyNoticed(KeptService service, ChildProcess clients, int seed)
    {
        Outcome outcome = clients.Wait(s_time + Deadline.Client);
        Assert.True(outcome.ExitCode == 0, $"seed {seed}\n{outcome.Error}\n{service.Describe()}");
        var commands = outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => int.Parse(words[2], CultureInfo.InvariantCulture));
        _output.WriteLine(
            $"seed {seed}: {service.Ended} kills, {commands.Values.Sum()} commands of {commands.Count} clients, "
                + $"{_proxy.Commands.Count} commands at the TPM");
        Assert.Equal(s_hashing.Sum(kind => commands[kind]), _proxy.Count(TpmCc.Hash));
        Assert.InRange(service.Ended, 10, int.MaxValue);
        Deadline.Poll(
            () => TpmContents.Of(_proxy).IsEmpty, "a TPM that holds nothing",
            () => $"{TpmContents.Of(_proxy)}\n{service.Describe()}");
        Assert.DoesNotContain("polled", service.Printed, StringComparison.Ordinal);
        Assert.DoesNotContain("not taken over", service.Printed, StringComparison.Ordinal);
    }

    /// <summary>
    /// Kills daemons that serve, and in between some that have not come so far: two in a row at the most, since the
    /// third would take what they cannot take over for the cause. Some daemons live until they have ended what was
    /// under way at the TPM: on a busy machine that takes longer than the others live, and no client would get on.
    /// </summary>
    private static void KillUntil(KeptService service, Func<bool> isOver, Random random)
    {
        const int KillsUntilOneLives = 8;
        int adoptions = -1; // The first daemon has nothing to go on with.
        for (int kill = 1; !isOver(); kill++)
        {
            service.AwaitServing();
            if (kill % KillsUntilOneLives == 0)
            {
                Deadline.Poll(
                    () => service.Adoptions > adoptions || isOver(), "a TPM that goes on", service.Describe,
                    Deadline.Client);
            }

            Thread.Sleep(random.Next(300));
            int started = service.Started;
            adoptions = service.Adoptions;
            service.Kill();
            for (int early = random.Next(3); early > 0; early--)
            {
                service.AwaitStarted(++started);
                Thread.Sleep(random.Next(250));
                service.Kill();
            }

            service.AwaitStarted(started + 1);
        }
    }
}
