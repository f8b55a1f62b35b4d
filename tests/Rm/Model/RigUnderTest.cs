using TpmFs.Rm.Tests.Harness;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>The real manager, on a small simulated TPM.</summary>
internal sealed class RigUnderTest : IManagerUnderTest
{
    private readonly ModelLimits _limits;
    private readonly Rig _rig;
    private readonly bool _checks;
    private readonly List<Opener> _openers = [];

    /// <param name="deaths">Decides when managers die; null lets them live.</param>
    /// <param name="checks">True to compare the mirror with the ledger after each command.</param>
    public RigUnderTest(ModelLimits limits, TpmParameters? tpm = null, Random? deaths = null, bool checks = false)
    {
        _limits = limits;
        _checks = checks;
        _rig = new Rig(tpm);
        if (deaths is not null)
        {
            _rig.DieAfter(() => deaths.Next(10) == 0 ? deaths.Next(1000) : deaths.Next(40));
        }
    }

    public long Deaths => _rig.Deaths;

    public SimulatedTpm Tpm => _rig.Tpm;

    public int Open(ModelOwner owner)
    {
        SpaceLimits limits = _rig.Group(owner.Group).Limits;
        (limits.ObjectsMax, limits.SessionsMax, limits.SavedSessionsMax) =
            (_limits.ObjectsMax, _limits.SessionsMax, _limits.SavedSessionsMax);
        _openers.Add(_rig.Open(owner.Group, owner.Uid, owner.Locality));
        return _openers.Count - 1;
    }

    /// <summary>Between two commands passes a moment, so that "the oldest" is one.</summary>
    public byte[] Execute(int opener, byte[] command)
    {
        _rig.Time.Advance(TimeSpan.FromMicroseconds(1));
        byte[] response = _openers[opener].Do(command).Bytes;
        if (_checks)
        {
            _rig.AssertMirrored();
        }

        _rig.AssertNothingIsForgotten();

        return response;
    }

    /// <summary>The flushes that follow are awaited, so that what is left afterwards is what leaked.</summary>
    public void Close(int opener)
    {
        _openers[opener].Close();
        _rig.Settle();
    }

    public void Advance(TimeSpan time) => _rig.Pass(time);

    public void Replace() => _rig.ReplaceManager();

    public void Power(StartupKind kind)
    {
        if (kind != StartupKind.Reset)
        {
            _rig.Settle();
            Tpm.Direct(Cmd.Shutdown(state: true));
        }

        _rig.Time.Advance(TimeSpan.FromHours(1));
        Tpm.PowerCycle();
        if (kind == StartupKind.Resume)
        {
            Tpm.Direct(Cmd.Startup(state: true));
        }
    }

    public void Dispose() => _rig.Dispose();
}
