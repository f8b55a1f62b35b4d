using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>
/// Every flow of unmodified clients where TpmFs reaches its TPM through a TCTI, and some where that is a node of
/// another TpmFs.
/// </summary>
public sealed class TctiFlowTests(TctiFlowTests.Ways ways) : IClassFixture<TctiFlowTests.Ways>
{
    [Theory]
    [MemberData(nameof(Flow.All), MemberType = typeof(Flow))]
    public void A_client_gets_the_same_answers_over_a_TCTI_as_straight_from_the_tpm(string flow) =>
        AssertSame(flow, ways.Tcti.Node);

    [Fact]
    public void Ibms_tools_get_the_same_answers_over_a_TCTI()
    {
        using var bare = new SoftwareTpm(ways.Sandbox, "tcp", twin: ways.Tpm, tcp: true);
        string expected = Flow.Run(ways.Sandbox, User.Root, "ibmtss.sh", Flow.BareTpm(bare));
        Assert.NotEmpty(expected);
        Assert.Equal(expected, Flow.Run(ways.Sandbox, User.Member, "ibmtss.sh", Flow.Node(ways.Tcti.Node)));
    }

    [Theory]
    [InlineData("getcap.sh")]
    [InlineData("hmac-session.sh")]
    [InlineData("sequence.sh")]
    public void A_client_gets_the_same_answers_over_a_device_that_is_the_raw_node_of_another_TpmFs(string flow)
    {
        using var stacked =
            new Daemon(ways.Sandbox, $"device:{ways.Tcti.MountPoint}/raw0", ways.Sandbox.MakeFolder("device"));
        AssertSame(flow, stacked.Node);
        stacked.Stop();
    }

    [Fact]
    public void The_TCTI_of_devices_works_on_a_node_too()
    {
        using var stacked = new Daemon(
            ways.Sandbox, $"tcti:device:{ways.Tcti.MountPoint}/raw0", ways.Sandbox.MakeFolder("tcti-device"));
        AssertSame("keys.sh", stacked.Node);
        stacked.Stop();
    }

    private void AssertSame(string flow, string node)
    {
        string expected = Flow.Run(ways.Sandbox, User.Root, flow, Flow.BareTpm(ways.Bare));
        Assert.NotEmpty(expected);
        Assert.Equal(expected, Flow.Run(ways.Sandbox, User.Member, flow, Flow.Node(node)));
    }

    /// <summary>A TpmFs on a TCTI, and a twin of its TPM.</summary>
    public sealed class Ways : IDisposable
    {
        public Ways()
        {
            using (var original = new SoftwareTpm(Sandbox, "original"))
            {
                Tpm = new SoftwareTpm(Sandbox, "tpm", twin: original);
                Bare = new SoftwareTpm(Sandbox, "bare", twin: original);
            }

            Tcti = new Daemon(Sandbox, $"tcti:swtpm:path={Tpm.Socket}", Sandbox.MakeFolder("tcti"));
        }

        internal Sandbox Sandbox { get; } = new();

        internal SoftwareTpm Tpm { get; }

        internal SoftwareTpm Bare { get; }

        internal Daemon Tcti { get; }

        public void Dispose()
        {
            Tcti.Stop();
            Tcti.Dispose();
            Bare.Dispose();
            Tpm.Dispose();
            Sandbox.Dispose();
        }
    }
}
