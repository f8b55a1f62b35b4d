using TpmFs.Rm.Tests.Simulation.Differential;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation;

/// <summary>
/// A real TPM (libtpms, the reference implementation) and the simulated one remember the same, across power events and
/// through anything.
/// </summary>
public sealed class SimulatedTpmStateTests : IDisposable
{
    private readonly TpmPair _pair = new();
    private readonly Stage _stage;

    public SimulatedTpmStateTests() => _stage = new Stage(_pair);

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData(null, false)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(null, true)]
    public void Power_events_agree(bool? shutdown, bool startup)
    {
        _stage.Start();
        _stage.Populate();
        if (shutdown is { } state)
        {
            _pair.Send(Cmd.Shutdown(state));
        }

        _pair.PowerCycle();
        _pair.Send(Cmd.GetRandom(1));
        if (!_pair.Send(Cmd.Startup(startup)).IsSuccess)
        {
            _pair.Send(Cmd.Startup());
        }

        _stage.Inspect();
    }

    [Fact]
    public void Commands_that_spoil_a_shutdown_agree()
    {
        _stage.Start();
        for (int i = 0; i < 22; i++)
        {
            _stage.Populate();
            _pair.Send(Cmd.Shutdown(state: true));
            _pair.Send(s => Spoiling(s)[i]);
            _pair.PowerCycle();
            if (!_pair.Send(Cmd.Startup(state: true)).IsSuccess)
            {
                _pair.Send(Cmd.Startup());
            }

            _stage.Inspect();
            foreach (uint handle in (uint[])[0x80000000, 0x80000001, 0x80000002, 0x02000000, 0x02000001, 0x02000002])
            {
                _pair.Send(Cmd.FlushContext(handle));
            }
        }
    }

    [Fact]
    public void Command_audits_agree()
    {
        _stage.Start();
        _pair.Send(Cmd.GetCapability(4, 0, 100));
        _pair.Send(Cmd.SetCommandCodeAuditStatus(0x17B, 0x162, 0x145, 0x7FF));
        _pair.Send(Cmd.GetCapability(4, 0, 100));
        _pair.Send(Cmd.GetCapability(4, 0x150, 1));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()), "key");
        _pair.Send(s => Cmd.GetCommandAuditDigest(s["key"].Handle));
        _pair.Send(Cmd.GetCommandAuditDigest(Handles.Null));
        _pair.Send(Cmd.Shutdown(state: true));
        _pair.PowerCycle();
        _pair.Send(Cmd.Startup(state: true));
        _pair.Send(Cmd.GetCapability(4, 0, 100));
    }

    [Fact]
    public void Localities_and_pcrs_agree()
    {
        _stage.Start();
        for (byte locality = 0; locality <= 4; locality++)
        {
            _pair.SetLocality(locality);
            for (uint pcr = 0; pcr <= 24; pcr++)
            {
                _pair.Send(Cmd.PcrExtend(pcr, "x"));
                _pair.Send(Cmd.PcrRead((int)Math.Min(pcr, 23)));
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_commands_agree(int seed)
    {
        _pair.Context = 12;
        _stage.Start();
        new RandomClient(_pair, seed).Run(2000);
    }

    private static List<byte[]> Spoiling(Side s) =>
    [
        Cmd.GetRandom(1), Cmd.ReadClock(), Cmd.ContextSave(s["key"].Handle), Cmd.ContextSave(s["b"].Handle),
        Cmd.ContextLoad(s["keyContext"].Body), Cmd.ContextLoad(s["aContext"].Body),
        Cmd.FlushContext(s["key"].Handle), Cmd.FlushContext(s["a"].Handle), Cmd.FlushContext(s["b"].Handle),
        Cmd.StartAuthSession(SessionType.Hmac), Cmd.Sign(s["key"].Handle, "x"),
        Cmd.PcrExtend(3, "x"), Cmd.PcrExtend(16, "x"), Cmd.HierarchyControl(Handles.Owner, Handles.Owner, true),
        Cmd.HierarchyControl(Handles.Owner, Handles.Owner, false),
        Cmd.Clear(), Cmd.ChangeEps(), Cmd.ChangePps(), Cmd.HierarchyChangeAuth(Handles.Platform, "", ""),
        Cmd.HierarchyChangeAuth(Handles.Owner, "", ""),
        Cmd.SetCommandCodeAuditStatus(0x17B), Cmd.CreatePrimary(Handles.Owner, Templates.Signing()),
    ];
}
