using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>The steps that the scripts for a pair of TPMs have in common.</summary>
internal sealed class Stage(TpmPair pair)
{
    public static byte[] Private(Answer created) => created.Sized(14);

    public static byte[] Public(Answer created) => created.Sized(14, 1);

    public static byte[] Tampered(byte[] context, int at)
    {
        byte[] copy = context.ToArray();
        copy[at] ^= 1;
        return copy;
    }

    public void Start() => Assert.True(pair.Send(Cmd.Startup()).IsSuccess);

    public void ListSessions()
    {
        pair.Send(Cmd.GetCapability(1, 0x02000000, 100));
        pair.Send(Cmd.GetCapability(1, 0x03000000, 100));
        pair.Send(Cmd.GetCapability(6, 0x203, 5));
    }

    /// <summary>
    /// A key, an stClear key, their contexts; a saved and a loaded session; a changed PCR; a disabled hierarchy.
    /// </summary>
    public void Populate()
    {
        pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Signing()), "key");
        pair.Send(Cmd.CreatePrimary(Handles.Null, Templates.Signing(more: PublicArea.StClearBit)), "clear");
        pair.Send(s => Cmd.ContextSave(s["key"].Handle), "keyContext");
        pair.Send(s => Cmd.ContextSave(s["clear"].Handle), "clearContext");
        pair.Send(Cmd.StartAuthSession(SessionType.Hmac), "a");
        pair.Send(Cmd.StartAuthSession(SessionType.Policy), "b");
        pair.Send(s => Cmd.ContextSave(s["a"].Handle), "aContext");
        pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["b"].Handle)));
        pair.Send(Cmd.PcrExtend(2, "measured"));
        pair.Send(Cmd.HierarchyControl(Handles.Endorsement, Handles.Endorsement, enable: false));
    }

    public void Inspect()
    {
        pair.Send(Cmd.ReadClock());
        ListSessions();
        pair.Send(Cmd.GetCapability(1, 0x80000000, 10));
        pair.Send(Cmd.GetCapability(6, 0x201, 1));
        pair.Send(Cmd.PcrRead(2));
        pair.Send(s => Cmd.ContextLoad(s["keyContext"].Body));
        pair.Send(s => Cmd.ContextLoad(s["clearContext"].Body));
        pair.Send(s => Cmd.ContextLoad(s["aContext"].Body));
        pair.Send(s => Cmd.GetRandom(1, Auth.AuditSession(s["a"].Handle)));
        ListSessions();
    }

    /// <summary>
    /// Fills slots 0 and 1 with a storage key and a sequence, and sessions 0 and 1; what is there already stays.
    /// </summary>
    public void MakeOneOfEach()
    {
        if (!pair.Send(Cmd.ReadPublic(0x80000000)).IsSuccess)
        {
            pair.Send(Cmd.FlushContext(0x80000000));
            pair.Send(Cmd.CreatePrimary(Handles.Owner, Templates.Storage()), "srk");
        }

        if (pair.Send(Cmd.SequenceUpdate(0x80000001, "")).Code != Rc.Success)
        {
            pair.Send(Cmd.FlushContext(0x80000001));
            pair.Send(Cmd.HashSequenceStart(Hashes.Sha256));
        }

        if (pair.Send(Cmd.GetCapability(1, 0x02000000, 9)).Body[8] != 2)
        {
            pair.Send(Cmd.FlushContext(0x02000000));
            pair.Send(Cmd.FlushContext(0x02000001));
            pair.Send(Cmd.StartAuthSession(SessionType.Hmac));
            pair.Send(Cmd.StartAuthSession(SessionType.Policy));
        }
    }

    /// <summary>A good command of every kind, but those that change the TPM for good.</summary>
    public List<Func<Side, byte[]>> OneOfEach()
    {
        const uint key = 0x80000000;
        const uint sequence = 0x80000001;
        const uint policy = 0x03000001;
        pair.Send(Cmd.Create(key, Templates.Signing()), "child");
        pair.Send(Cmd.ContextSave(key), "context");
        return
        [
            _ => Cmd.GetRandom(4), _ => Cmd.ReadClock(), _ => Cmd.GetCapability(1, 0x80000000, 1),
            _ => Cmd.CreatePrimary(Handles.Owner, Templates.Hmac()),
            _ => Cmd.Create(key, Templates.Hmac()), s => Cmd.Load(key, Private(s["child"]), Public(s["child"])),
            _ => Cmd.CreateLoaded(key, Templates.Hmac()),
            s => Cmd.LoadExternal(Public(s["child"]), Handles.Owner), _ => Cmd.ReadPublic(key), _ => Cmd.Sign(key, "x"),
            _ => Cmd.EvictControl(Handles.Owner, sequence, 0x81000000),
            _ => Cmd.HashSequenceStart(Hashes.Sha1), _ => Cmd.HmacStart(key), _ => Cmd.SequenceUpdate(sequence, "x"),
            _ => Cmd.StartAuthSession(SessionType.Trial),
            _ => Cmd.PolicyCommandCode(policy, 0x15D), _ => Cmd.PolicyPcr(policy, 16), _ => Cmd.PolicyGetDigest(policy),
            _ => Cmd.PolicyRestart(policy), _ => Cmd.ContextSave(key),
            s => Cmd.ContextLoad(s["context"].Body), _ => Cmd.FlushContext(0x80000002), _ => Cmd.PcrExtend(16, "x"),
            _ => Cmd.PcrRead(16),
            _ => Cmd.HierarchyControl(Handles.Platform, Handles.Owner, true),
            _ => Cmd.HierarchyChangeAuth(Handles.Owner, "", ""), _ => Cmd.SetCommandCodeAuditStatus(0x17B),
            _ => Cmd.GetCommandAuditDigest(Handles.Null), _ => Cmd.SequenceComplete(sequence, "x"),
            _ => Cmd.EventSequenceComplete(16, sequence, "x"),
        ];
    }
}
