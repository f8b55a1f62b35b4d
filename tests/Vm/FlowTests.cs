using TpmFs.Integration.Tests.Harness;
using TpmFs.Vm.Tests.Harness;

namespace TpmFs.Vm.Tests;

/// <summary>
/// Unmodified clients through TpmFs over /dev/tpmN, in the guest: what they print is what they print here on a bare
/// swtpm with the same seeds. The flows are those of tests/Integration.
/// </summary>
[Collection(GuestCollection.Name)]
public sealed class FlowTests(Guest guest, FlowTpms tpms) : IClassFixture<FlowTpms>
{
    /// <summary>Some flows make RSA keys, which takes an emulated CPU long.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    public static TheoryData<string> Flows =>
        [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "flows")).Select(file => Path.GetFileName(file)!)
            .Where(name => name != "lib.sh").Order()];

    [Theory]
    [MemberData(nameof(Flows))]
    public void A_client_gets_the_same_answers_through_the_kernels_device(string flow)
    {
        string expected = Flow.Run(tpms.Sandbox, User.Root, flow, Flow.BareTpm(tpms.Bare));
        string interpreter = flow.EndsWith(".py", StringComparison.Ordinal) ? "/usr/bin/python3" : "sh";
        string actual = guest.Run(
            $"""
            . {FlowTpms.Stage}/ready
            export FLOWS={Guest.Repository}tests/Integration/flows HOME=$(mktemp -d /run/flow.XXXXXX)
            export TPM2TOOLS_TCTI=device:$TPMFS TPM_INTERFACE_TYPE=dev TPM_DEVICE=$TPMFS
            cd $HOME
            {interpreter} $FLOWS/{flow}
            """,
            s_limit).Succeeded().Output;
        Assert.NotEmpty(expected);
        Assert.Equal(expected.TrimEnd(), actual.ReplaceLineEndings("\n").TrimEnd()); // as it is read line by line here
    }
}

/// <summary>A swtpm of this machine's, and in the guest TpmFs on its twin.</summary>
public sealed class FlowTpms : IDisposable
{
    internal const string Stage = "/run/flows";

    private readonly Guest _guest;

    public FlowTpms(Guest guest)
    {
        _guest = guest;
        Sandbox = new Sandbox();
        using (var original = new SoftwareTpm(Sandbox, "original"))
        {
            Bare = new SoftwareTpm(Sandbox, "bare", twin: original, tcp: true); // IBM's TSS knows no sockets of UNIX
        }

        guest.Run(
            $"""
            {Guest.Scripts}/stage.py {Stage} {Sandbox.PathOf("original")}/state >/dev/console 2>&1 &
            echo $! >{Stage}.pid
            until [ -e {Stage}/ready ]; do kill -0 $!; sleep 0.1; done
            """,
            TimeSpan.FromMinutes(3)).Succeeded();
    }

    internal Sandbox Sandbox { get; }

    internal SoftwareTpm Bare { get; }

    public void Dispose()
    {
        _guest.Run($"kill $(cat {Stage}.pid)").Succeeded();
        Bare.Dispose();
        Sandbox.Dispose();
    }
}
