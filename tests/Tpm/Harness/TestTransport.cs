using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Harness;

internal static class TestTransport
{
    public static ITpmTransport Create(string spec)
    {
        var environment = new TransportEnvironment { StateDirectory = "/nonexistent", RuntimeDirectory = "/nonexistent" };
        Assert.True(TransportFactory.TryCreate(spec, environment, out ITpmTransport? transport, out string problem), problem);
        return transport;
    }
}
