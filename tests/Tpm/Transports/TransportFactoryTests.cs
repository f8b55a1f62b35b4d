using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Transports;

public sealed class TransportFactoryTests
{
    private static readonly TransportEnvironment s_environment = new() { StateDirectory = "/nonexistent/state", RuntimeDirectory = "/nonexistent/run", OwnTree = "/mnt/tpmfs" };

    [Theory]
    [InlineData("device:/dev/tpm0")]
    [InlineData("device:/mnt/tpmfs2/raw0")]
    [InlineData("tcti:mssim:host=localhost")]
    [InlineData("embedded")]
    [InlineData("embedded:/some/where")]
    [InlineData("swtpm")]
    [InlineData("swtpm:path=/run/swtpm.sock")]
    [InlineData("swtpm:host=localhost,port=2321")]
    [InlineData("swtpm:port=1")]
    public void A_specification_makes_a_transport_and_touches_nothing(string spec)
    {
        Assert.True(TransportFactory.TryCreate(spec, s_environment, out ITpmTransport? transport, out string problem), problem);
        transport.Dispose();
        Assert.Empty(problem);
        Assert.False(Directory.Exists("/nonexistent"));
    }

    [Theory]
    [InlineData("", "expected device:PATH, embedded[:DIR], swtpm:path=SOCKET")]
    [InlineData("mssim", "expected device:PATH, embedded[:DIR]")]
    [InlineData("Embedded", "expected device:PATH, embedded[:DIR]")]
    [InlineData("device", "the path of a TPM's device")]
    [InlineData("device:tpm0", "the path of a TPM's device")]
    [InlineData("device:/dev/tpmrm0", "is the kernel's resource manager")]
    [InlineData("device:/mnt/tpmfs/../tpmfs/raw0", "cannot be its own TPM")]
    [InlineData("tcti", "needs the configuration of a TCTI")]
    [InlineData("tcti:device", "the path of a TPM's device")]
    [InlineData("tcti:device:/dev/tpmrm1", "is the kernel's resource manager")]
    [InlineData("tcti:device:/mnt/tpmfs/rm0", "cannot be its own TPM")]
    [InlineData("swtpm:path=", "path is empty")]
    [InlineData("swtpm:path", "path is empty")]
    [InlineData("swtpm:path=/a,path=/b", "path is given twice")]
    [InlineData("swtpm:path=/a,port=1", "not both")]
    [InlineData("swtpm:sock=/a", "no \"sock\"")]
    [InlineData("swtpm:port=0", "1 to 65534")]
    [InlineData("swtpm:port=65535", "1 to 65534")]
    [InlineData("swtpm:port=http", "1 to 65534")]
    public void A_bad_specification_is_told_what_was_expected(string spec, string hint)
    {
        Assert.False(TransportFactory.TryCreate(spec, s_environment, out _, out string problem));
        Assert.Contains(hint, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_path_that_no_socket_can_have_is_refused_at_once()
    {
        string longest = "/" + new string('a', 101); // With ".ctrl", the 107 bytes that sun_path has room for.
        Assert.True(TransportFactory.TryCreate($"swtpm:path={longest}", s_environment, out ITpmTransport? transport, out string problem), problem);
        transport.Dispose();
        Assert.False(TransportFactory.TryCreate($"swtpm:path={longest}a", s_environment, out _, out problem));
        Assert.Contains("107 bytes", problem, StringComparison.Ordinal);
    }
}
