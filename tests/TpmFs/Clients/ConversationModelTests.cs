using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using TpmFs.Clients;
using TpmFs.Daemon.Tests.Clients.Model;

namespace TpmFs.Daemon.Tests.Clients;

/// <summary>
/// Conversations against their model: random runs of several clients, by a door in memory and by FUSE's, and everything
/// that they see compared after each step.
/// </summary>
public sealed class ConversationModelTests
{
    /// <summary>SplitMix64's: odd, and unlike any small seed.</summary>
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    /// <summary>The same runs every time, unless the environment says otherwise.</summary>
    private static readonly ulong s_seed =
        ulong.Parse(Environment.GetEnvironmentVariable("TPMFS_MODEL_SEED") ?? "1", CultureInfo.InvariantCulture);

    [Fact]
    public void A_door_in_memory_on_a_tpm_that_answers_anything() =>
        Check(time => new StandInTpm(time), conversation => new MemoryDoor(conversation));

    [Fact]
    public void A_door_in_memory_on_the_resource_manager() =>
        Check(time => new ManagedTpm(time), conversation => new MemoryDoor(conversation));

    [Fact]
    public void A_file_on_a_tpm_that_answers_anything() =>
        Check(time => new StandInTpm(time), conversation => new FuseDoor(conversation));

    [Fact]
    public void A_file_on_the_resource_manager() =>
        Check(time => new ManagedTpm(time), conversation => new FuseDoor(conversation));

    private static void Check(Func<TimeProvider, ITpmUnderTest> tpm, Func<Conversation, IClientDoor> door)
    {
        Property property = Prop.ForAll(DoorActions.Runs(longest: 200), actions =>
        {
            using var run = new DoorRun(tpm, door);
            return run.Run(actions).Label(run.Difference ?? string.Empty);
        });
        property.Check(
            Config.QuickThrowOnFailure.WithMaxTest(500).WithQuietOnSuccess(true)
                .WithReplay(s_seed * GoldenGamma, GoldenGamma));
    }
}
