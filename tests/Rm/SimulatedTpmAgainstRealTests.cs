using TpmFs.Rm.Tests.Simulation;
using TpmFs.Rm.Tests.Simulation.Differential;

namespace TpmFs.Rm.Tests;

/// <summary>What makes the simulation worth testing against: a real TPM (libtpms, the reference implementation) answers the same.</summary>
public sealed class SimulatedTpmAgainstRealTests : IDisposable
{
    private readonly TpmPair _pair = new();

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void Nothing_works_before_startup()
    {
        _pair.Send(Cmd.GetRandom(8));
        _pair.Send(Cmd.FlushContext(0x80000000));
        _pair.Send(Convert.FromHexString("80010000000A00000FFF"));
        _pair.Send(Cmd.Startup(state: true));
        _pair.Send(Cmd.Startup());
        _pair.Send(Cmd.Startup());
        _pair.Send(Cmd.GetRandom(8));
    }

    [Theory]
    [InlineData("80030000000A0000017B")]
    [InlineData("80010000000A00000FFF")]
    [InlineData("80010000000A20000002")]
    [InlineData("80010000000C0000017B0008")]
    [InlineData("80010000000B0000017B00")]
    [InlineData("80010000000D0000017B000800")]
    [InlineData("80020000000A0000017B")]
    [InlineData("80020000000C0000017B0000")]
    [InlineData("80020000000E0000017B00000000")]
    [InlineData("80020000000E0000017B00000009")]
    [InlineData("80020000000E0000016500000009")]
    [InlineData("8002000000190000017B000000090200000000000000000008")]
    [InlineData("80020000001B0000017B000000094000000900000100000008")]
    public void Malformed(string command)
    {
        Start();
        _pair.Send(Convert.FromHexString(command));
    }

    [Fact]
    public void Every_truncation_of_every_command_and_one_byte_too_many()
    {
        Start();
        MakeOneOfEach();
        foreach (var command in OneOfEach())
        {
            for (var length = 10; length <= 60; length++)
            {
                _pair.Send(s => Resized(command(s), length));
                _pair.Send(Cmd.FlushContext(0x80000002));
            }

            _pair.Send(s => Resized(command(s), command(s).Length + 1));
            _pair.Send(Cmd.FlushContext(0x80000002));
        }
    }

    [Fact]
    public void Every_kind_of_handle_in_every_handle_of_every_command()
    {
        uint[] odd =
        [
            0, 23, 24, 0x01000000, 0x02000000, 0x02000001, 0x02000002, 0x0200003F, 0x02000040, 0x02FFFFFE, 0x02FFFFFF, 0x03000000, 0x03000001, 0x03000002, 0x0300003F, 0x03000040, 0x03FFFFFF,
            0x40000000, 0x40000001, 0x40000006, 0x40000007, 0x40000008, 0x40000009, 0x4000000A, 0x4000000B, 0x4000000C, 0x4000000D, 0x4000000E,
            0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80FFFFFE, 0x80FFFFFF, 0x81000000, 0x81000001, 0x81800000, 0x82000000, 0xFFFFFFFF,
        ];
        Start();
        foreach (var handle in odd)
        {
            _pair.Send(Cmd.FlushContext(handle));
            _pair.Send(Cmd.GetRandom(1, Auth.AuditSession(handle)));
        }

        MakeOneOfEach();
        foreach (var command in OneOfEach())
        {
            var code = CommandLog.CodeOf(command(_pair.Left));
            for (var n = 0; n < (CommandTable.Find(code)?.HandleKinds.Length ?? 0); n++)
            {
                foreach (var handle in odd)
                {
                    _pair.Send(s => WithHandle(command(s), n, handle));
                    _pair.Send(Cmd.FlushContext(0x80000002));
                    MakeOneOfEach();
                }
            }
        }
    }

    [Fact]
    public void Objects_their_slots_and_contexts()
    {
        Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Storage()), "srk");
        _pair.Send(s => Cmd.Create(s["srk"].Handle, Templates.Signing()), "made");
        _pair.Send(s => Cmd.Load(s["srk"].Handle, Private(s["made"]), Public(s["made"])), "key");
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "hello"));
        _pair.Send(s => Cmd.Sign(s["srk"].Handle, "hello"));
        _pair.Send(s => Cmd.ContextSave(s["key"].Handle), "context");
        _pair.Send(s => Cmd.ContextLoad(s["context"].Body), "again");
        _pair.Send(s => Cmd.ContextLoad(s["context"].Body));
        _pair.Send(s => Cmd.Create(s["srk"].Handle, Templates.Signing()));
        _pair.Send(s => Cmd.Create(s["key"].Handle, Templates.Signing()));
        _pair.Send(s => Cmd.CreateLoaded(s["key"].Handle, Templates.Signing()));
        _pair.Send(s => Cmd.Load(s["key"].Handle, Private(s["made"]), Public(s["made"])));
        _pair.Send(Cmd.HashSequenceStart(Hashes.Sha256));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        _pair.Send(s => Cmd.FlushContext(s["key"].Handle));
        _pair.Send(s => Cmd.FlushContext(s["key"].Handle));
        _pair.Send(s => Cmd.ReadPublic(s["key"].Handle));
        _pair.Send(s => Cmd.ReadPublic(s["again"].Handle));
        foreach (var at in (int[])[3, 7, 8, 11, 15, 17, 20, 60])
        {
            _pair.Send(s => Cmd.ContextLoad(Tampered(s["context"].Body, at)));
        }

        _pair.Send(s => Cmd.ContextLoad([.. s["context"].Body, 0]));
        _pair.Send(s => Cmd.ContextLoad([.. s["context"].Body.AsSpan(0, 11), 2, .. s["context"].Body.AsSpan(12)]));
    }

    [Fact]
    public void Persistent_objects_take_a_slot_while_they_are_used()
    {
        Start();
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
    public void Sequences()
    {
        Start();
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
        foreach (var hash in Hashes.All)
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
    public void Sessions_in_slots_and_saved()
    {
        Start();
        foreach (var (type, name) in ((SessionType, string)[])[(SessionType.Hmac, "h"), (SessionType.Policy, "p"), (SessionType.Trial, "t")])
        {
            _pair.Send(Cmd.StartAuthSession(type), name);
        }

        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
        ListSessions();
        _pair.Send(s => Cmd.ContextSave(s["h"].Handle), "h1");
        _pair.Send(s => Cmd.ContextSave(s["h"].Handle));
        _pair.Send(s => Cmd.ContextSave(s["p"].Handle ^ 0x01000000));
        ListSessions();
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "h2");
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.FlushContext(s["h2"].Handle ^ 0x01000000));
        _pair.Send(s => Cmd.ContextLoad(Tampered(s["h1"].Body, 11)));
        _pair.Send(s => Cmd.ContextLoad(Tampered(s["h1"].Body, 8)));
        _pair.Send(s => Cmd.ContextLoad(Tampered(s["h1"].Body, 7)));
        _pair.Send(s => Cmd.ContextLoad(Tampered(s["h1"].Body, 30)));
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.GetRandom(4, Auth.AuditSession(s["h"].Handle)));
        _pair.Send(s => Cmd.ContextSave(s["h"].Handle), "h3");
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.GetRandom(4, Auth.AuditSession(s["h"].Handle)));
        _pair.Send(s => Cmd.FlushContext(s["h"].Handle));
        _pair.Send(s => Cmd.ContextLoad(s["h3"].Body));
        _pair.Send(s => Cmd.FlushContext(s["h"].Handle));
        ListSessions();
    }

    [Fact]
    public void All_active_sessions_taken()
    {
        Start();
        for (var i = 0; i < 66; i++)
        {
            _pair.Send(Cmd.StartAuthSession(i % 2 == 0 ? SessionType.Hmac : SessionType.Policy), $"s{i}");
            var name = $"s{i}";
            _pair.Send(s => Cmd.ContextSave(s[name].Handle), $"c{i}");
        }

        ListSessions();
        _pair.Send(Cmd.GetCapability(1, 0x03000010, 5));
        _pair.Send(s => Cmd.FlushContext(s["s7"].Handle));
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
        ListSessions();
    }

    [Fact]
    public void Sessions_that_authorize_audit_and_end()
    {
        Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()), "key");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "h");
        _pair.Send(Cmd.StartAuthSession(SessionType.Policy), "p");
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["h"].Handle)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["h"].Handle), new Auth(s["h"].Handle)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["p"].Handle)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["p"].Handle ^ 0x01000000)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", Auth.Password(), Auth.AuditSession(s["h"].Handle)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", Auth.Password(), Auth.Password()));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", Auth.Password(), new Auth(s["h"].Handle)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", Auth.Password("wrong")));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(Handles.Password, 0x81)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(0x02000009)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(0x02000000, 0x11)));
        foreach (var attributes in (byte[])[0x00, 0x01, 0x20, 0x40, 0x21, 0x41, 0x81, 0x83, 0x85, 0x05, 0x03])
        {
            _pair.Send(s => Cmd.GetRandom(4, new Auth(s["h"].Handle, attributes)));
            _pair.Send(s => Cmd.GetRandom(4, new Auth(s["p"].Handle, attributes)));
        }

        _pair.Send(s => Cmd.GetRandom(4, new Auth(s["h"].Handle, 0x80)));
        _pair.Send(s => Cmd.GetRandom(4, new Auth(s["h"].Handle, 0x80)));
        _pair.Send(s => Cmd.FlushContext(s["h"].Handle));
        _pair.Send(s => Cmd.Build(0x165, [], new ByteWriter().U32(s["p"].Handle).Written, Auth.Password()));
        _pair.Send(s => Cmd.Build(0x162, [s["p"].Handle], [], Auth.Password()));
        _pair.Send(s => Cmd.Build(0x15D, [s["key"].Handle], []));
    }

    [Fact]
    public void Bound_sessions_and_authorization_values()
    {
        Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(), auth: "secret"), "key");
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x"));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", Auth.Password("secret")));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", Auth.Password("secret\0")));
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "h");
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["h"].Handle)));
        _pair.Send(s => Cmd.StartAuthSession(SessionType.Hmac, s["key"].Handle), "b");
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["b"].Handle)));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(less: PublicArea.UserWithAuth)), "policyOnly");
        _pair.Send(s => Cmd.Sign(s["policyOnly"].Handle, "x"));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing(less: PublicArea.NoDa), auth: "secret"), "protected");
        for (var i = 0; i < 5; i++)
        {
            _pair.Send(s => Cmd.Sign(s["protected"].Handle, "x", Auth.Password("wrong")));
        }

        _pair.Send(s => Cmd.Sign(s["protected"].Handle, "x", Auth.Password("secret")));
        _pair.Send(Cmd.HierarchyChangeAuth(Handles.Owner, "", "owner"));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        _pair.Send(Cmd.HierarchyChangeAuth(Handles.Owner, "owner", ""));
    }

    [Fact]
    public void Policies()
    {
        Start();
        _pair.Send(Cmd.StartAuthSession(SessionType.Trial), "t");
        _pair.Send(s => Cmd.PolicyPcr(s["t"].Handle, 16));
        _pair.Send(s => Cmd.PolicyCommandCode(s["t"].Handle, 0x15D));
        _pair.Send(s => Cmd.PolicyCommandCode(s["t"].Handle, 0x15E));
        _pair.Send(s => Cmd.PolicyGetDigest(s["t"].Handle), "digest");
        _pair.Send(s => Cmd.CreatePrimary(Handles.Owner, Templates.Signing(policy: s["digest"].Sized(10), less: PublicArea.UserWithAuth)), "key");
        _pair.Send(Cmd.StartAuthSession(SessionType.Policy), "p");
        for (var i = 0; i < 3; i++)
        {
            _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["p"].Handle)));
            _pair.Send(s => Cmd.PolicyPcr(s["p"].Handle, 16));
            _pair.Send(s => Cmd.PolicyCommandCode(s["p"].Handle, 0x15D));
            _pair.Send(s => Cmd.ContextSave(s["p"].Handle), "context");
            _pair.Send(s => Cmd.ContextLoad(s["context"].Body));
            _pair.Send(s => Cmd.PolicyGetDigest(s["p"].Handle));
            _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["p"].Handle)));
            _pair.Send(s => Cmd.PolicyGetDigest(s["p"].Handle));
        }

        foreach (var pcr in (uint[])[16, 3])
        {
            _pair.Send(s => Cmd.PolicyPcr(s["p"].Handle, 16));
            _pair.Send(s => Cmd.PolicyCommandCode(s["p"].Handle, 0x15D));
            _pair.Send(Cmd.PcrExtend(pcr, "changed"));
            _pair.Send(s => Cmd.PolicyPcr(s["p"].Handle, 16));
            _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["p"].Handle)));
            _pair.Send(s => Cmd.PolicyRestart(s["p"].Handle));
        }

        _pair.Send(s => Cmd.GetRandom(3, new Auth(s["t"].Handle, 0x81)));
        _pair.Send(s => Cmd.Sign(s["key"].Handle, "x", new Auth(s["t"].Handle)));
    }

    [Fact]
    public void Exclusive_audit_sessions()
    {
        Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()), "key");
        _pair.Send(s => Cmd.ContextSave(s["key"].Handle), "keyContext");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "a");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "b");
        List<Func<Side, byte[]>> between =
        [
            s => Cmd.ContextSave(s["key"].Handle), s => Cmd.ContextLoad(s["keyContext"].Body), _ => Cmd.FlushContext(0x80000001), _ => Cmd.FlushContext(0x80000001),
            _ => Cmd.GetRandom(1), _ => Cmd.ReadClock(), _ => Cmd.GetCapability(1, 0x80000000, 1), s => Cmd.ReadPublic(s["key"].Handle), s => Cmd.ReadPublic(0x80000002),
            s => Cmd.GetRandom(1, Auth.AuditSession(s["b"].Handle)), s => Cmd.Sign(s["key"].Handle, "x"), s => Cmd.StartAuthSession(SessionType.Policy), _ => Cmd.FlushContext(0x03000002),
        ];
        foreach (var command in between)
        {
            _pair.Send(s => Cmd.GetRandom(1, new Auth(s["a"].Handle, Auth.Continue | Auth.Audit | Auth.AuditReset)));
            _pair.Send(command);
            _pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["a"].Handle, exclusive: true)));
            _pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["a"].Handle)));
        }

        _pair.Send(s => Cmd.GetRandom(1, new Auth(s["a"].Handle, Auth.Continue | Auth.Audit | Auth.AuditReset)));
        _pair.Send(s => Cmd.ContextSave(s["a"].Handle), "aContext");
        _pair.Send(s => Cmd.ContextLoad(s["aContext"].Body));
        _pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["a"].Handle, exclusive: true)));
    }

    [Fact]
    public void Hierarchies_take_their_objects_with_them()
    {
        Start();
        foreach (var hierarchy in (uint[])[Handles.Owner, Handles.Endorsement, Handles.Platform, Handles.Null])
        {
            foreach (var change in (byte[][])[Cmd.Clear(), Cmd.Clear(Handles.Platform), Cmd.ChangeEps(), Cmd.ChangePps(),
                Cmd.HierarchyControl(Handles.Owner, Handles.Owner, false), Cmd.HierarchyControl(Handles.Owner, Handles.Owner, true),
                Cmd.HierarchyControl(Handles.Endorsement, Handles.Endorsement, false), Cmd.HierarchyControl(Handles.Platform, Handles.Endorsement, true),
                Cmd.HierarchyControl(Handles.Platform, Handles.Owner, true), Cmd.HierarchyControl(Handles.Owner, Handles.Endorsement, false),
                Cmd.HierarchyControl(Handles.Owner, Handles.Platform, false), Cmd.HierarchyControl(Handles.Platform, Handles.PlatformNv, false)])
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

    [Theory]
    [InlineData(null, false)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(null, true)]
    public void Power_events(bool? shutdown, bool startup)
    {
        Start();
        Populate();
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

        Inspect();
    }

    [Fact]
    public void What_spoils_a_shutdown_for_the_start_after_it()
    {
        Start();
        for (var i = 0; i < 22; i++)
        {
            Populate();
            _pair.Send(Cmd.Shutdown(state: true));
            _pair.Send(s => Spoiling(s)[i]);
            _pair.PowerCycle();
            if (!_pair.Send(Cmd.Startup(state: true)).IsSuccess)
            {
                _pair.Send(Cmd.Startup());
            }

            Inspect();
            foreach (var handle in (uint[])[0x80000000, 0x80000001, 0x80000002, 0x02000000, 0x02000001, 0x02000002])
            {
                _pair.Send(Cmd.FlushContext(handle));
            }
        }
    }

    [Fact]
    public void Command_audit()
    {
        Start();
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
    public void Localities_and_pcrs()
    {
        Start();
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

    [Fact]
    public void Capabilities()
    {
        Start();
        Populate();
        foreach (var (capability, property, count) in ((uint, uint, uint)[])[(1, 0, 100), (1, 5, 3), (1, 0x80000000, 1), (1, 0x80000001, 1), (1, 0x80000002, 0), (1, 0x80FFFFFF, 1),
            (1, 0x02000000, 10), (1, 0x03000000, 10), (1, 0x81000000, 10), (1, 0x01000000, 10), (1, 0x40000000, 3), (1, 0x40000008, 100), (1, 0x50000000, 1), (1, 0x90000000, 1),
            (5, 0, 1), (11, 0, 1), (0x100, 0, 1), (0xFFFFFFFF, 0, 1), (6, 0x203, 5), (6, 0x20E, 1), (6, 0x10E, 1), (6, 0x110, 2), (6, 0x114, 1), (6, 0x11E, 2),
            (6, 0x300, 10), (6, 0x2FF, 10)])
        {
            _pair.Send(Cmd.GetCapability(capability, property, count));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Anything_at_random(int seed)
    {
        _pair.Context = 12;
        Start();
        new RandomClient(_pair, seed).Run(2000);
    }

    [Fact]
    public void The_context_gap()
    {
        Start();
        _pair.Send(Cmd.StartAuthSession(SessionType.Policy), "old");
        _pair.Send(Cmd.StartAuthSession(SessionType.Policy), "other");
        _pair.Send(s => Cmd.ContextSave(s["old"].Handle), "oldContext");
        _pair.Send(s => Cmd.ContextSave(s["other"].Handle), "otherContext");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "busy");
        while (_pair.Send(s => Cmd.ContextSave(s["busy"].Handle), "busyContext").IsSuccess)
        {
            _pair.Send(s => Cmd.ContextLoad(s["busyContext"].Body));
        }

        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "second");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
        _pair.Send(s => Cmd.ContextLoad(s["otherContext"].Body));
        _pair.Send(s => Cmd.FlushContext(s["busy"].Handle));
        _pair.Send(s => Cmd.ContextLoad(s["otherContext"].Body));
        _pair.Send(s => Cmd.ContextLoad(s["oldContext"].Body));
        _pair.Send(s => Cmd.ContextSave(s["old"].Handle), "oldContext");
        _pair.Send(s => Cmd.ContextSave(s["second"].Handle));
        _pair.Send(s => Cmd.ContextLoad(s["otherContext"].Body));
        _pair.Send(s => Cmd.ContextSave(s["second"].Handle));
        _pair.Send(s => Cmd.ContextLoad(s["oldContext"].Body));
        ListSessions();
    }

    internal static byte[] Private(Answer created) => created.Sized(14);

    internal static byte[] Public(Answer created) => created.Sized(14, 1);

    private static byte[] Tampered(byte[] context, int at)
    {
        var copy = context.ToArray();
        copy[at] ^= 1;
        return copy;
    }

    private static byte[] Resized(byte[] command, int length)
    {
        Array.Resize(ref command, length);
        return WithSize(command);
    }

    private static byte[] WithHandle(byte[] command, int n, uint handle)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(10 + (4 * n)), handle);
        return command;
    }

    private static byte[] WithSize(byte[] command)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(command.AsSpan(2), command.Length);
        return command;
    }

    private static List<byte[]> Spoiling(Side s) =>
    [
        Cmd.GetRandom(1), Cmd.ReadClock(), Cmd.ContextSave(s["key"].Handle), Cmd.ContextSave(s["b"].Handle), Cmd.ContextLoad(s["keyContext"].Body), Cmd.ContextLoad(s["aContext"].Body),
        Cmd.FlushContext(s["key"].Handle), Cmd.FlushContext(s["a"].Handle), Cmd.FlushContext(s["b"].Handle), Cmd.StartAuthSession(SessionType.Hmac), Cmd.Sign(s["key"].Handle, "x"),
        Cmd.PcrExtend(3, "x"), Cmd.PcrExtend(16, "x"), Cmd.HierarchyControl(Handles.Owner, Handles.Owner, true), Cmd.HierarchyControl(Handles.Owner, Handles.Owner, false),
        Cmd.Clear(), Cmd.ChangeEps(), Cmd.ChangePps(), Cmd.HierarchyChangeAuth(Handles.Platform, "", ""), Cmd.HierarchyChangeAuth(Handles.Owner, "", ""),
        Cmd.SetCommandCodeAuditStatus(0x17B), Cmd.CreatePrimary(Handles.Owner, Templates.Signing()),
    ];

    private void Start() => Assert.True(_pair.Send(Cmd.Startup()).IsSuccess);

    private void ListSessions()
    {
        _pair.Send(Cmd.GetCapability(1, 0x02000000, 100));
        _pair.Send(Cmd.GetCapability(1, 0x03000000, 100));
        _pair.Send(Cmd.GetCapability(6, 0x203, 5));
    }

    /// <summary>A key, an stClear key, their contexts; a saved and a loaded session; a changed PCR; a disabled hierarchy.</summary>
    private void Populate()
    {
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()), "key");
        _pair.Send(Cmd.CreatePrimary(Handles.Null, Templates.Signing(more: PublicArea.StClearBit)), "clear");
        _pair.Send(s => Cmd.ContextSave(s["key"].Handle), "keyContext");
        _pair.Send(s => Cmd.ContextSave(s["clear"].Handle), "clearContext");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "a");
        _pair.Send(Cmd.StartAuthSession(SessionType.Policy), "b");
        _pair.Send(s => Cmd.ContextSave(s["a"].Handle), "aContext");
        _pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["b"].Handle)));
        _pair.Send(Cmd.PcrExtend(2, "measured"));
        _pair.Send(Cmd.HierarchyControl(Handles.Endorsement, Handles.Endorsement, enable: false));
    }

    private void Inspect()
    {
        _pair.Send(Cmd.ReadClock());
        ListSessions();
        _pair.Send(Cmd.GetCapability(1, 0x80000000, 10));
        _pair.Send(Cmd.GetCapability(6, 0x201, 1));
        _pair.Send(Cmd.PcrRead(2));
        _pair.Send(s => Cmd.ContextLoad(s["keyContext"].Body));
        _pair.Send(s => Cmd.ContextLoad(s["clearContext"].Body));
        _pair.Send(s => Cmd.ContextLoad(s["aContext"].Body));
        _pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["a"].Handle)));
        ListSessions();
    }

    /// <summary>Fills slots 0 and 1 with a storage key and a sequence, and sessions 0 and 1; what is there already stays.</summary>
    private void MakeOneOfEach()
    {
        if (!_pair.Send(Cmd.ReadPublic(0x80000000)).IsSuccess)
        {
            _pair.Send(Cmd.FlushContext(0x80000000));
            _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Storage()), "srk");
        }

        if (_pair.Send(Cmd.SequenceUpdate(0x80000001, "")).Code != Rc.Success)
        {
            _pair.Send(Cmd.FlushContext(0x80000001));
            _pair.Send(Cmd.HashSequenceStart(Hashes.Sha256));
        }

        if (_pair.Send(Cmd.GetCapability(1, 0x02000000, 9)).Body[8] != 2)
        {
            _pair.Send(Cmd.FlushContext(0x02000000));
            _pair.Send(Cmd.FlushContext(0x02000001));
            _pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
            _pair.Send(Cmd.StartAuthSession(SessionType.Policy));
        }
    }

    /// <summary>A good command of every kind, but those that change the TPM for good.</summary>
    private List<Func<Side, byte[]>> OneOfEach()
    {
        const uint key = 0x80000000;
        const uint sequence = 0x80000001;
        const uint policy = 0x03000001;
        _pair.Send(Cmd.Create(key, Templates.Signing()), "child");
        _pair.Send(Cmd.ContextSave(key), "context");
        return
        [
            _ => Cmd.GetRandom(4), _ => Cmd.ReadClock(), _ => Cmd.GetCapability(1, 0x80000000, 1), _ => Cmd.CreatePrimary(Handles.Owner, Templates.Hmac()),
            _ => Cmd.Create(key, Templates.Hmac()), s => Cmd.Load(key, Private(s["child"]), Public(s["child"])), _ => Cmd.CreateLoaded(key, Templates.Hmac()),
            s => Cmd.LoadExternal(Public(s["child"]), Handles.Owner), _ => Cmd.ReadPublic(key), _ => Cmd.Sign(key, "x"), _ => Cmd.EvictControl(Handles.Owner, sequence, 0x81000000),
            _ => Cmd.HashSequenceStart(Hashes.Sha1), _ => Cmd.HmacStart(key), _ => Cmd.SequenceUpdate(sequence, "x"), _ => Cmd.StartAuthSession(SessionType.Trial),
            _ => Cmd.PolicyCommandCode(policy, 0x15D), _ => Cmd.PolicyPcr(policy, 16), _ => Cmd.PolicyGetDigest(policy), _ => Cmd.PolicyRestart(policy), _ => Cmd.ContextSave(key),
            s => Cmd.ContextLoad(s["context"].Body), _ => Cmd.FlushContext(0x80000002), _ => Cmd.PcrExtend(16, "x"), _ => Cmd.PcrRead(16),
            _ => Cmd.HierarchyControl(Handles.Platform, Handles.Owner, true), _ => Cmd.HierarchyChangeAuth(Handles.Owner, "", ""), _ => Cmd.SetCommandCodeAuditStatus(0x17B),
            _ => Cmd.GetCommandAuditDigest(Handles.Null), _ => Cmd.SequenceComplete(sequence, "x"), _ => Cmd.EventSequenceComplete(16, sequence, "x"),
        ];
    }
}
