using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Tree;

/// <summary>A raw opener on a software TPM that has just started.</summary>
public sealed class RawRetryTests : IDisposable
{
    private const uint Retry = 0x922;
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _tpm;
    private readonly SoftwareTpm _bare;

    public RawRetryTests()
    {
        _tpm = new SoftwareTpm(_sandbox, "tpm");
        _bare = new SoftwareTpm(_sandbox, "bare");
    }

    public void Dispose()
    {
        _bare.Dispose();
        _tpm.Dispose();
        _sandbox.Dispose();
    }

    /// <summary>TPM_RC_RETRY reached the client, which /dev/tpm0 never shows one.</summary>
    [Fact]
    public void The_first_authorization_that_a_dictionary_protects_succeeds_though_the_tpm_asks_to_retry()
    {
        using (TpmConnection bare = _bare.Connect())
        {
            uint primary = bare.Transact(Tpm2.CreatePrimary(dictionary: true)).NewHandle();
            // so the test tests something
            Assert.Equal(Retry, bare.Transact(Tpm2.CreateHmacKey(primary, new byte[32])).Code());
        }

        using var daemon = new Daemon(_sandbox, _tpm.Tcti, _sandbox.MakeFolder("mnt"));
        using (var agent = new Agent(_sandbox))
        {
            Opener raw = agent.Open(Path.Combine(daemon.MountPoint, "raw0"));
            uint primary = raw.Transact(Tpm2.CreatePrimary(dictionary: true)).NewHandle();
            raw.Transact(Tpm2.CreateHmacKey(primary, new byte[32])).Succeeded();
        }

        daemon.Stop();
    }
}
