using TpmFs.Rm.Tests.Simulation.Differential;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation;

/// <summary>
/// Objects of a real TPM (libtpms, the reference implementation) and of the simulated one have the same fate.
/// </summary>
public sealed class SimulatedTpmObjectTests : IDisposable
{
    private readonly TpmPair _pair = new();
    private readonly Stage _stage;

    public SimulatedTpmObjectTests() => _stage = new Stage(_pair);

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void Objects_and_their_slots_and_contexts_agree()
    {
        _stage.Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Storage()), "srk");
        _pair.Send(s => Cmd.Create(s["srk"].Handle, Templates.Signing()), "made");
        _pair.Send(s => Cmd.Load(s["srk"].Handle, Stage.Private(s["made"]), Stage.Public(s["made"])), "key");
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "hello"));
        _pair.Send(s => Cmd.Sign(s["srk"].Handle, "hello"));
        _pair.Send(s => Cmd.ContextSave(s["key"].Handle), "context");
        _pair.Send(s => Cmd.ContextLoad(s["context"].Body), "again");
        _pair.Send(s => Cmd.ContextLoad(s["context"].Body));
        _pair.Send(s => Cmd.Create(s["srk"].Handle, Templates.Signing()));
        _pair.Send(s => Cmd.Create(s["key"].Handle, Templates.Signing()));
        _pair.Send(s => Cmd.CreateLoaded(s["key"].Handle, Templates.Signing()));
        _pair.Send(s => Cmd.Load(s["key"].Handle, Stage.Private(s["made"]), Stage.Public(s["made"])));
        _pair.Send(Cmd.HashSequenceStart(Hashes.Sha256));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        _pair.Send(s => Cmd.FlushContext(s["key"].Handle));
        _pair.Send(s => Cmd.FlushContext(s["key"].Handle));
        _pair.Send(s => Cmd.ReadPublic(s["key"].Handle));
        _pair.Send(s => Cmd.ReadPublic(s["again"].Handle));
        foreach (int at in (int[])[3, 7, 8, 11, 15, 17, 20, 60])
        {
            _pair.Send(s => Cmd.ContextLoad(Stage.Tampered(s["context"].Body, at)));
        }

        _pair.Send(s => Cmd.ContextLoad([.. s["context"].Body, 0]));
        _pair.Send(s => Cmd.ContextLoad([.. s["context"].Body.AsSpan(0, 11), 2, .. s["context"].Body.AsSpan(12)]));
    }

    [Fact]
    public void Persistent_objects_take_a_slot_while_they_are_used()
    {
        _stage.Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Storage()), "srk");
        _pair.Send(s => Cmd.EvictControl(Handles.Owner, s["srk"].Handle, 0x81800000));
        _pair.Send(s => Cmd.EvictControl(Handles.Platform, s["srk"].Handle, 0x81800000));
        _pair.Send(s => Cmd.EvictControl(Handles.Owner, s["srk"].Handle, 0x81000000));
        _pair.Send(s => Cmd.EvictControl(Handles.Owner, s["srk"].Handle, 0x81000000));
        _pair.Send(Cmd.CreateLoaded(0x81000000, Templates.Signing()));
        _pair.Send(Cmd.CreateLoaded(0x81000000, Templates.Signing()));
        _pair.Send(Cmd.CreateLoaded(0x81000000, Templates.Signing()));
        _pair.Send(Cmd.ReadPublic(0x81000000));
        _pair.Send(Cmd.HashSequenceStart(Hashes.Sha1));
        _pair.Send(Cmd.ReadPublic(0x81000000));
        _pair.Send(Cmd.ReadPublic(0x81000001));
        _pair.Send(Cmd.FlushContext(0x80000000));
        _pair.Send(Cmd.ReadPublic(0x81000001));
        _pair.Send(Cmd.CreateLoaded(0x81000000, Templates.Signing()));
        _pair.Send(Cmd.EvictControl(Handles.Owner, 0x81000000, 0x81000001));
        _pair.Send(Cmd.HierarchyControl(Handles.Owner, Handles.Owner, enable: false));
        _pair.Send(Cmd.ReadPublic(0x81000000));
        _pair.Send(Cmd.HierarchyControl(Handles.Platform, Handles.Owner, enable: true));
        _pair.Send(Cmd.GetCapability(1, 0x81000000, 10));
        _pair.Send(Cmd.EvictControl(Handles.Owner, 0x81000000, 0x81000000));
        _pair.Send(Cmd.GetCapability(1, 0x81000000, 10));
    }

    [Fact]
    public void Sequences_agree()
    {
        _stage.Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Hmac()), "hmac");
        _pair.Send(s => Cmd.HmacStart(s["hmac"].Handle), "mac");
        _pair.Send(Cmd.HashSequenceStart(Hashes.None), "event");
        _pair.Send(s => Cmd.SequenceUpdate(s["mac"].Handle, "abc"));
        _pair.Send(s => Cmd.SequenceUpdate(s["event"].Handle, "abc"));
        _pair.Send(s => Cmd.SequenceUpdate(s["hmac"].Handle, "abc"));
        _pair.Send(s => Cmd.SequenceComplete(s["hmac"].Handle, "abc"));
        _pair.Send(s => Cmd.SequenceComplete(s["event"].Handle, "abc"));
        _pair.Send(s => Cmd.EventSequenceComplete(16, s["mac"].Handle, "abc"));
        _pair.Send(s => Cmd.ContextSave(s["event"].Handle), "context");
        _pair.Send(s => Cmd.EventSequenceComplete(16, s["event"].Handle, "abc"));
        _pair.Send(Cmd.PcrRead(16));
        _pair.Send(s => Cmd.ContextLoad(s["context"].Body), "event2");
        _pair.Send(s => Cmd.EventSequenceComplete(20, s["event2"].Handle, "abc"));
        _pair.Send(s => Cmd.EventSequenceComplete(3, s["event2"].Handle, "x"));
        _pair.Send(Cmd.PcrRead(3));
        _pair.Send(s => Cmd.SequenceComplete(s["mac"].Handle, "abc"));
        _pair.Send(s => Cmd.SequenceComplete(s["mac"].Handle, "abc"));
        foreach (ushort hash in Hashes.All)
        {
            _pair.Send(Cmd.HashSequenceStart(hash), "hash");
            _pair.Send(s => Cmd.ReadPublic(s["hash"].Handle));
            _pair.Send(s => Cmd.Sign(s["hash"].Handle, "a"));
            _pair.Send(s => Cmd.HmacStart(s["hash"].Handle));
            _pair.Send(s => Cmd.Create(s["hash"].Handle, Templates.Signing()));
            _pair.Send(s => Cmd.EvictControl(Handles.Owner, s["hash"].Handle, 0x81000000));
            _pair.Send(s => Cmd.SequenceUpdate(s["hash"].Handle, "abc"));
            _pair.Send(s => Cmd.SequenceComplete(s["hash"].Handle, "def"));
        }
    }

    [Fact]
    public void Hierarchies_take_their_objects_with_them()
    {
        _stage.Start();
        foreach (uint hierarchy in (uint[])[Handles.Owner, Handles.Endorsement, Handles.Platform, Handles.Null])
        {
            foreach (byte[] change in (byte[][])[Cmd.Clear(), Cmd.Clear(Handles.Platform), Cmd.ChangeEps(),
                Cmd.ChangePps(),
                Cmd.HierarchyControl(Handles.Owner, Handles.Owner, false),
                Cmd.HierarchyControl(Handles.Owner, Handles.Owner, true),
                Cmd.HierarchyControl(Handles.Endorsement, Handles.Endorsement, false),
                Cmd.HierarchyControl(Handles.Platform, Handles.Endorsement, true),
                Cmd.HierarchyControl(Handles.Platform, Handles.Owner, true),
                Cmd.HierarchyControl(Handles.Owner, Handles.Endorsement, false),
                Cmd.HierarchyControl(Handles.Owner, Handles.Platform, false),
                Cmd.HierarchyControl(Handles.Platform, Handles.PlatformNv, false)])
            {
                _pair.Send(Cmd.CreatePrimary(hierarchy, Templates.Signing()), "key");
                _pair.Send(s => Cmd.ContextSave(s["key"].Handle), "context");
                _pair.Send(change);
                _pair.Send(s => Cmd.ReadPublic(s["key"].Handle));
                _pair.Send(s => Cmd.ContextLoad(s["context"].Body), "loaded");
                _pair.Send(Cmd.FlushContext(0x80000000));
                _pair.Send(Cmd.FlushContext(0x80000001));
                _pair.Send(Cmd.ReadClock());
                _pair.Send(Cmd.GetCapability(6, 0x201, 1));
            }
        }

        _pair.Send(Cmd.HierarchyControl(Handles.Platform, Handles.Platform, false));
        _pair.Send(Cmd.ChangeEps());
        _pair.Send(Cmd.CreatePrimary(Handles.Platform, Templates.Signing()));
        _pair.Send(Cmd.LoadExternal(Templates.Signing(), Handles.Platform));
    }
}
