using System.Buffers.Binary;
using TpmFs.Integration.Tests.Harness;

namespace TpmFs.Integration.Tests.Ways;

/// <summary>A TPM 1.2, played by swtpm: raw access works, nothing is managed, and everybody is told why.</summary>
public sealed class Tpm12Tests : IDisposable
{
    private readonly Sandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void Its_raw_node_works_and_the_managed_one_is_absent_and_the_log_and_status_say_why()
    {
        string socket =
            _sandbox.PathOf("socket"), mountPoint =
                _sandbox.MakeFolder("mnt"), state = _sandbox.MakeRootsFolder("state12");
        using ChildProcess swtpm = _sandbox.Start(
            User.Root,
            [
                "swtpm", "socket", "--tpmstate", $"dir={state}", "--server", $"type=unixio,path={socket}", "--ctrl",
                $"type=unixio,path={socket}.ctrl",
                "--flags", "not-need-init,startup-clear",
            ]);
        Deadline.Poll(() => File.Exists(socket) || swtpm.HasExited, "a swtpm", swtpm.Describe);
        using var modern = new SoftwareTpm(_sandbox, "tpm");
        using var daemon = new Daemon(_sandbox, modern.Tcti, mountPoint, "--tpm", $"swtpm:path={socket}");
        const string Said = "is a TPM 1.2, whose handles tpmfs cannot manage, so there is no rm1";
        Deadline.Poll(() => daemon.Printed.Contains(Said, StringComparison.Ordinal), Said, daemon.Describe);
        Assert.Contains(
            "TPM 1.2, which tpmfs cannot manage", _sandbox.Shell($"cat {mountPoint}/status"), StringComparison.Ordinal);
        Assert.Equal("raw0 raw1 rm0\n", _sandbox.Shell($"cd {mountPoint} && echo r*[0-9]"));

        using var agent = new Agent(_sandbox);
        Assert.Equal("ENOENT", agent.Call("open", Path.Combine(mountPoint, "rm1"), "O_RDWR").Errno);
        Opener raw = agent.Open(Path.Combine(mountPoint, "raw1"));
        // TPM_GetRandom of 16 bytes
        byte[] random = raw.Transact(Convert.FromHexString("00C10000000E0000004600000010"));
        Assert.Equal(
            (0x00C4, 30, 0u),
            (BinaryPrimitives.ReadUInt16BigEndian(random), random.Length,
                BinaryPrimitives.ReadUInt32BigEndian(random.AsSpan(6))));
        agent.Open(daemon.Node).Transact(Tpm2.GetRandom(8)).Succeeded();
        agent.Dispose();
        daemon.Stop();
    }
}
