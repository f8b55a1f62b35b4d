using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests.Devices;

/// <summary>In the guest, a daemon whose nodes have character devices, and the program that uses them.</summary>
public sealed class DeviceDaemon : IDisposable
{
    /// <summary>Users and groups of the guest, which have no names.</summary>
    public const uint Group = 4001, Granted = 4002, Member = 4003, Stranger = 4004;

    internal const string Folder = "/run/devices", Mount = Folder + "/mnt", Device = "/dev/tpmrmfs0";

    /// <summary>An emulated CPU starts .NET, and a software TPM that is new.</summary>
    private static readonly TimeSpan s_startLimit = TimeSpan.FromMinutes(3);

    private static readonly string s_config = $$"""
        {
          "rm0": { "group": "{{Group}}" },
          "users": { "{{Granted}}": {} },
          "devices": {
            "tpmrmfs0": "rm0", "tpmfs/raw0": "raw0", "tpmfs/user-*": "users/*/rm0", "tpmfs/*": "domains/*/rm0"
          }
        }
        """;

    private readonly Guest _guest;

    public DeviceDaemon(Guest guest)
    {
        _guest = guest;
        guest.Run($"modprobe cuse; mkdir -p {Mount}; cat >{Folder}/config <<'END'\n{s_config}\nEND").Succeeded();
        Start();
    }

    /// <summary>Starts the daemon, and waits until its devices are there.</summary>
    internal void Start() => _guest.Run(
        $"""
        {Guest.Repository}out/tpmfs mount {Mount} --tpm embedded:{Folder}/tpm --state-dir {Folder}/state \
            --config {Folder}/config >{Folder}/log 2>&1 &
        echo $! >{Folder}/pid
        until grep -q 'rm0 is ready' {Folder}/log; do kill -0 $!; sleep 0.1; done
        """,
        s_startLimit).Succeeded();

    /// <summary>Ends the daemon with a signal, and waits for its end.</summary>
    internal void End(string signal) => _guest.Run(
        $"""
        pid=$(cat {Folder}/pid)
        kill -{signal} $pid
        while kill -0 $pid 2>/dev/null; do sleep 0.1; done
        ! grep -q ' {Mount} fuse' /proc/mounts || umount --lazy {Mount}
        """,
        s_startLimit).Succeeded();

    public void Dispose() => End("TERM");
}
