using TpmFs.Integration.Tests.Harness;
using Xunit.Abstractions;

namespace TpmFs.Integration.Tests;

/// <summary>
/// Unmodified clients, each tool its own process: what they print through a node is what they print on a bare TPM with
/// the same seeds. The flows are in the folder flows; they leave out what is random, and the documented views of
/// GetCapability.
/// </summary>
public sealed class FlowTests(Mount mount, ITestOutputHelper output) : MountTests(mount, output)
{
    [Theory]
    [MemberData(nameof(Flow.All), MemberType = typeof(Flow))]
    public void A_client_gets_the_same_answers_as_straight_from_the_tpm(string flow)
    {
        foreach (User user in (User[])[User.Root, User.Member])
        {
            string expected = Flow.Run(Mount.Sandbox, User.Root, flow, Flow.BareTpm(Mount.Bare));
            string actual = Flow.Run(Mount.Sandbox, user, flow, Flow.Node(Mount.Node));
            Assert.NotEmpty(expected);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void Ibms_tools_get_the_same_answers_as_straight_from_the_tpm()
    {
        using var bare = new SoftwareTpm(Mount.Sandbox, "tcp", twin: Mount.Tpm, tcp: true);
        string expected = Flow.Run(Mount.Sandbox, User.Root, "ibmtss.sh", Flow.BareTpm(bare));
        string actual = Flow.Run(Mount.Sandbox, User.Member, "ibmtss.sh", Flow.Node(Mount.Node));
        Assert.NotEmpty(expected);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void A_tls_server_may_ask_the_tpm_for_more_digests_at_once_than_it_has_slots()
    {
        string expected = Flow.Run(Mount.Sandbox, User.Root, "openssl.sh", Flow.BareTpm(Mount.Bare));
        string actual =
            Flow.Run(Mount.Sandbox, User.Member, "openssl.sh", new(Flow.Node(Mount.Node)) { ["DIGESTS"] = "tpm2" });
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void A_user_outside_the_group_is_refused_by_the_kernel()
    {
        Reply opened = NewAgent(User.Outsider).Call("open", Mount.Node, "O_RDWR");
        Assert.Equal("EACCES", opened.Errno);
    }
}
