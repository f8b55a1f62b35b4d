using TpmFs.Vm.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Vm.Tests.Devices;

/// <summary>
/// Character devices of a real kernel outlive their daemon with all that have them open (handover.py).
/// </summary>
[Collection(GuestCollection.Name)]
public sealed class HandOverTests(Guest guest, ITestOutputHelper output)
{
    /// <summary>Of the load, by the guest's time; a daemon takes some seconds to start there.</summary>
    private const int LoadSeconds = 45;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(8);

    [Theory]
    [InlineData("kill")]
    [InlineData("handover")]
    public void Openers_go_on_with_keys_sessions_unread_responses_reads_that_wait_and_polls(string way) => Run(way);

    [Fact]
    public void Clients_notice_nothing_while_the_daemon_is_killed_at_random_moments() => Run("load");

    [Fact]
    public void A_device_that_is_configured_no_more_gives_its_clients_ENODEV_and_goes_with_the_last() =>
        Run("unconfigured");

    [Fact]
    public void Records_that_are_damaged_are_refused_and_there_is_a_device_that_works() => Run("damaged");

    [Fact]
    public void Records_that_three_daemons_in_a_row_die_of_are_dropped_and_nobody_waits_for_ever() => Run("dropped");

    private void Run(string scene)
    {
        string folder = $"/run/handover-{scene}";
        string result = guest.Run(
            $"""
            modprobe cuse
            {Guest.Scripts}/Devices/handover.py {scene} {Guest.Repository}out/tpmfs {folder} {LoadSeconds}
            """,
            s_limit).Succeeded().Output;
        output.WriteLine(result);
        Assert.EndsWith("passed\n", result, StringComparison.Ordinal);
    }
}
