using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>A client that came by the bus is killed in each state.</summary>
public sealed class BusKilledClientTests(BusMount mount, ITestOutputHelper output)
    : KilledClientTests(mount, output), IClassFixture<BusMount>
{
    [Fact]
    public void Killed_while_half_of_its_command_is_sent() =>
        Check(victim => Assert.Equal(7, victim.Write(Tpm2.CreatePrimary()[..7]).Value));

    [Fact]
    public void Killed_while_commands_that_it_sent_ahead_wait() => Check(victim =>
    {
        for (int i = 0; i < 10; i++)
        {
            victim.Submit(Tpm2.CreatePrimary());
        }
    });

    private protected override Opener OpenClient() => BusTests.Connect(NewAgent(null, mount.MessageBus.Words));
}
