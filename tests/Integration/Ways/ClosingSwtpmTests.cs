using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>
/// A swtpm that closes its data connection after each response, as tpm2-tss' own scripts start it ('swtpm socket -p
/// PORT').
/// </summary>
public sealed class ClosingSwtpmTests : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private readonly SoftwareTpm _original;

    public ClosingSwtpmTests() => _original = new SoftwareTpm(_sandbox, "original");

    public void Dispose()
    {
        _original.Dispose();
        _sandbox.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Clients_get_the_same_answers_as_straight_from_the_tpm(bool tcp)
    {
        using var bare = new SoftwareTpm(_sandbox, "bare", twin: _original);
        using var tpm = new SoftwareTpm(_sandbox, "tpm", twin: _original, tcp, closes: true);
        using var daemon = new Daemon(_sandbox, tpm.Tcti, _sandbox.MakeFolder("mnt"));
        foreach (string flow in (string[])["keys.sh", "hmac-session.sh", "nv.sh", "pcr.sh", "sequence.sh"])
        {
            string expected = Flow.Run(_sandbox, User.Root, flow, Flow.BareTpm(bare));
            Assert.NotEmpty(expected);
            Assert.Equal(expected, Flow.Run(_sandbox, User.Member, flow, Flow.Node(daemon.Node)));
        }

        Assert.DoesNotContain("is lost", daemon.Printed, StringComparison.Ordinal);
        daemon.Stop();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_command_that_is_lost_in_the_middle_fails_and_the_opener_goes_on_with_the_next_swtpm(bool tcp)
    {
        using var tpm = new SoftwareTpm(_sandbox, "tpm", twin: _original, tcp, closes: true);
        using var daemon = new Daemon(_sandbox, tpm.Tcti, _sandbox.MakeFolder("mnt"));
        using (var agent = new Agent(_sandbox))
        {
            Opener opener = agent.Open(daemon.Node);
            string? errno = null;
            Deadline.Poll(
                () =>
                {
                    opener.Submit(Tpm2.CreatePrimaryRsa());
                    Task<Reply> response = opener.BeginRead();
                    tpm.WaitUntilBusy(() => response.IsCompleted);
                    tpm.Kill();
                    errno = agent.End(response).Errno;
                    tpm.Restart();
                    return errno is not null; // else the key was made before swtpm ended
                },
                "a command that is lost in the middle");
            Assert.Equal("EIO", errno);
            opener.Transact(Tpm2.CreatePrimary()).NewHandle();
        }

        daemon.Stop();
    }
}
