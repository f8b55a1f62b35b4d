using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests.Bus;

/// <summary>
/// Unmodified clients of tpm2-abrmd: what they print by the bus is what they print on a bare TPM with the same seeds.
/// </summary>
public sealed class BusFlowTests(BusMount mount, ITestOutputHelper output) : BusTests(mount, output)
{
    [Theory]
    [MemberData(nameof(Flow.All), MemberType = typeof(Flow))]
    public void A_client_gets_the_same_answers_as_straight_from_the_tpm(string flow)
    {
        string expected = Flow.Run(Mount.Sandbox, User.Root, flow, Flow.BareTpm(Mount.Bare));
        string actual = Flow.Run(Mount.Sandbox, User.Member, flow, Tabrmd(Bus));
        Assert.NotEmpty(expected);
        Assert.Equal(expected, actual);
    }
}
