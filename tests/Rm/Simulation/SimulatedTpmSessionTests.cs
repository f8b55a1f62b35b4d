using TpmFs.Rm.Tests.Simulation.Differential;
using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation;

/// <summary>
/// Sessions of a real TPM (libtpms, the reference implementation) and of the simulated one have the same fate.
/// </summary>
public sealed class SimulatedTpmSessionTests : IDisposable
{
    private readonly TpmPair _pair = new();
    private readonly Stage _stage;

    public SimulatedTpmSessionTests() => _stage = new Stage(_pair);

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void Loaded_and_saved_sessions_agree()
    {
        _stage.Start();
        foreach ((SessionType type, string? name) in ((SessionType, string)[])[(SessionType.Hmac, "h"),
            (SessionType.Policy, "p"), (SessionType.Trial, "t")])
        {
            _pair.Send(Cmd.StartAuthSession(type), name);
        }

        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
        _stage.ListSessions();
        _pair.Send(s => Cmd.ContextSave(s["h"].Handle), "h1");
        _pair.Send(s => Cmd.ContextSave(s["h"].Handle));
        _pair.Send(s => Cmd.ContextSave(s["p"].Handle ^ 0x01000000));
        _stage.ListSessions();
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "h2");
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.FlushContext(s["h2"].Handle ^ 0x01000000));
        _pair.Send(s => Cmd.ContextLoad(Stage.Tampered(s["h1"].Body, 11)));
        _pair.Send(s => Cmd.ContextLoad(Stage.Tampered(s["h1"].Body, 8)));
        _pair.Send(s => Cmd.ContextLoad(Stage.Tampered(s["h1"].Body, 7)));
        _pair.Send(s => Cmd.ContextLoad(Stage.Tampered(s["h1"].Body, 30)));
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.GetRandom(4, Auth.AuditSession(s["h"].Handle)));
        _pair.Send(s => Cmd.ContextSave(s["h"].Handle), "h3");
        _pair.Send(s => Cmd.ContextLoad(s["h1"].Body));
        _pair.Send(s => Cmd.GetRandom(4, Auth.AuditSession(s["h"].Handle)));
        _pair.Send(s => Cmd.FlushContext(s["h"].Handle));
        _pair.Send(s => Cmd.ContextLoad(s["h3"].Body));
        _pair.Send(s => Cmd.FlushContext(s["h"].Handle));
        _stage.ListSessions();
    }

    [Fact]
    public void The_refusal_of_one_session_too_many_agrees()
    {
        _stage.Start();
        for (int i = 0; i < 66; i++)
        {
            _pair.Send(Cmd.StartAuthSession(i % 2 == 0 ? SessionType.Hmac : SessionType.Policy), $"s{i}");
            string name = $"s{i}";
            _pair.Send(s => Cmd.ContextSave(s[name].Handle), $"c{i}");
        }

        _stage.ListSessions();
        _pair.Send(Cmd.GetCapability(1, 0x03000010, 5));
        _pair.Send(s => Cmd.FlushContext(s["s7"].Handle));
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
        _stage.ListSessions();
    }

    [Fact]
    public void Sessions_that_authorize_audit_and_end_agree()
    {
        _stage.Start();
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
        foreach (byte attributes in (byte[])[0x00, 0x01, 0x20, 0x40, 0x21, 0x41, 0x81, 0x83, 0x85, 0x05, 0x03])
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
    public void Bound_sessions_and_authorization_values_agree()
    {
        _stage.Start();
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
        _pair.Send(
            Cmd.CreatePrimary(Handles.Owner, Templates.Signing(less: PublicArea.NoDa), auth: "secret"), "protected");
        for (int i = 0; i < 5; i++)
        {
            _pair.Send(s => Cmd.Sign(s["protected"].Handle, "x", Auth.Password("wrong")));
        }

        _pair.Send(s => Cmd.Sign(s["protected"].Handle, "x", Auth.Password("secret")));
        _pair.Send(Cmd.HierarchyChangeAuth(Handles.Owner, "", "owner"));
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()));
        _pair.Send(Cmd.HierarchyChangeAuth(Handles.Owner, "owner", ""));
    }

    [Fact]
    public void Policies_agree()
    {
        _stage.Start();
        _pair.Send(Cmd.StartAuthSession(SessionType.Trial), "t");
        _pair.Send(s => Cmd.PolicyPcr(s["t"].Handle, 16));
        _pair.Send(s => Cmd.PolicyCommandCode(s["t"].Handle, 0x15D));
        _pair.Send(s => Cmd.PolicyCommandCode(s["t"].Handle, 0x15E));
        _pair.Send(s => Cmd.PolicyGetDigest(s["t"].Handle), "digest");
        _pair.Send(
            s => Cmd.CreatePrimary(
                Handles.Owner, Templates.Signing(policy: s["digest"].Sized(10), less: PublicArea.UserWithAuth)), "key");
        _pair.Send(Cmd.StartAuthSession(SessionType.Policy), "p");
        for (int i = 0; i < 3; i++)
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

        foreach (uint pcr in (uint[])[16, 3])
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
    public void Exclusive_audit_sessions_agree()
    {
        _stage.Start();
        _pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()), "key");
        _pair.Send(s => Cmd.ContextSave(s["key"].Handle), "keyContext");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "a");
        _pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "b");
        List<Func<Side, byte[]>> between =
        [
            s => Cmd.ContextSave(s["key"].Handle), s => Cmd.ContextLoad(s["keyContext"].Body),
            _ => Cmd.FlushContext(0x80000001), _ => Cmd.FlushContext(0x80000001),
            _ => Cmd.GetRandom(1), _ => Cmd.ReadClock(), _ => Cmd.GetCapability(1, 0x80000000, 1),
            s => Cmd.ReadPublic(s["key"].Handle), s => Cmd.ReadPublic(0x80000002),
            s => Cmd.GetRandom(1, Auth.AuditSession(s["b"].Handle)), s => Cmd.Sign(s["key"].Handle, "x"),
            s => Cmd.StartAuthSession(SessionType.Policy), _ => Cmd.FlushContext(0x03000002),
        ];
        foreach (Func<Side, byte[]> command in between)
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
    public void The_context_gap_agrees()
    {
        _stage.Start();
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
        _stage.ListSessions();
    }
}
