using TpmFs.Tpm.Transports;

namespace TpmFs.Tpm.Tests.Harness;

internal static class TestTransport
{
    public static ITpmTransport Create(string spec)
    {
        var environment = new TransportEnvironment { StateDirectory = "/nonexistent" };
        Assert.True(TransportSpec.TryParse(spec, environment, out TransportSpec? parsed, out string problem), problem);
        return parsed.CreateTransport();
    }
}
