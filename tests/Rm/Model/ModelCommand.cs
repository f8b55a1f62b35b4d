using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Model;

/// <summary>One side's way to write what an action names.</summary>
/// <param name="Handle">A number of the manager's side, as this side has it.</param>
/// <param name="Context">The context that is meant, as this side answered it.</param>
internal readonly record struct CommandView(
    Func<uint, uint> Handle, Func<(byte[] Manager, byte[] Ideal), byte[]> Context);

/// <summary>Turns actions into commands.</summary>
internal sealed class ModelCommands(References references)
{
    private static readonly string[] s_words = ["", "a", "b", "cd"];
    private static readonly byte[] s_signOnly =
        Hashes.Digest(new ByteWriter().Bytes(new byte[32]).U32(CommandTable.PolicyCommandCode).U32(0x15D));
    private static readonly uint[] s_hierarchy = [Handles.Owner, Handles.Owner, Handles.Endorsement, Handles.Platform,
        Handles.Null];

    /// <summary>The command of an action; null when the action is none now.</summary>
    public Func<CommandView, byte[]>? For(int opener, ModelAction action)
    {
        (int what, int how) = (action.What, action.How);
        string word = s_words[how % s_words.Length];
        uint handle = references.Object(opener, what);
        uint session = references.Session(opener, what);
        return action.Kind switch
        {
            ActionKind.GetRandom => _ => Cmd.GetRandom(how % 80),
            ActionKind.CreatePrimary =>
                _ => Cmd.CreatePrimary(s_hierarchy[what % s_hierarchy.Length], Template(how), word),
            ActionKind.Create => v => Cmd.Create(v.Handle(handle), Template(how)),
            ActionKind.Load =>
                references.Created(how) is { } key ? v => Cmd.Load(v.Handle(handle), key.Private, key.Public) : null,
            ActionKind.CreateLoaded => v => Cmd.CreateLoaded(
                how % 3 == 0 ? s_hierarchy[what % s_hierarchy.Length] : v.Handle(handle), Template(how)),
            ActionKind.LoadExternal => references.Created(what) is { } known
                ? _ => Cmd.LoadExternal(known.Public, s_hierarchy[how % s_hierarchy.Length]) : null,
            ActionKind.VendorCopy => v => Cmd.VendorCopy(v.Handle(handle)),
            ActionKind.ReadPublic => v => Cmd.ReadPublic(v.Handle(handle)),
            ActionKind.Sign => v => Cmd.Sign(v.Handle(handle), word),
            ActionKind.SignWithSession => v => Cmd.Sign(
                v.Handle(handle), word,
                new Auth(v.Handle(references.Session(opener, how)), (byte)(how % 5 == 0 ? 0 : 1))),
            ActionKind.Audited => v => Cmd.GetRandom(
                4, new Auth(
                    v.Handle(session),
                    (byte[])[0x81, 0x83, 0x83, 0x80, 0x85, 0x01] is var a ? a[how % a.Length] : (byte)0)),
            ActionKind.HashStart => _ => Cmd.HashSequenceStart(how % 3 == 0 ? Hashes.None : Hashes.Sha256),
            ActionKind.HmacStart => v => Cmd.HmacStart(v.Handle(handle)),
            ActionKind.SequenceUpdate => v => Cmd.SequenceUpdate(v.Handle(handle), word),
            ActionKind.SequenceComplete =>
                v => Cmd.SequenceComplete(v.Handle(handle), word, s_hierarchy[how % s_hierarchy.Length]),
            ActionKind.EventSequenceComplete =>
                v => Cmd.EventSequenceComplete(how % 2 == 0 ? Handles.Null : 16u, v.Handle(handle), word),
            ActionKind.StartSession => v => Cmd.StartAuthSession(
                (SessionType[])[SessionType.Hmac, SessionType.Policy, SessionType.Trial] is var t
                    ? t[how % 3] : default,
                how % 4 == 3 ? v.Handle(handle) : Handles.Null),
            ActionKind.Policy => v => Policy(v.Handle(session), how),
            ActionKind.PolicyGetDigest => v => Cmd.PolicyGetDigest(v.Handle(session)),
            ActionKind.SaveObject => v => Cmd.ContextSave(v.Handle(handle)),
            ActionKind.SaveSession => v => Cmd.ContextSave(v.Handle(session)),
            ActionKind.LoadContext => references.Context(what) is { } context
                ? v => Cmd.ContextLoad(how % 12 == 11 ? Tampered(v.Context(context)) : v.Context(context)) : null,
            ActionKind.FlushObject => v => Cmd.FlushContext(v.Handle(handle)),
            ActionKind.FlushSession => v => Cmd.FlushContext(v.Handle(session)),
            ActionKind.ListProperties => _ => Cmd.GetCapability(
                6, (uint[])[0x100, 0x200, 0x203, 0x114] is var p ? p[what % p.Length] : 0, (uint)(how % 40)),
            ActionKind.ReadClock => _ => Cmd.ReadClock(),
            ActionKind.PcrExtend => _ => Cmd.PcrExtend((uint[])[16, 16, 3, 19] is var pcr ? pcr[how % 4] : 0, word),
            ActionKind.PcrRead => _ => Cmd.PcrRead(how % 2 == 0 ? 16 : 3),
            ActionKind.EvictControl =>
                v => Cmd.EvictControl(Handles.Owner, v.Handle(handle), 0x81000000 + (uint)(how % 2)),
            ActionKind.ChangeHierarchy => _ => Change(how),
            ActionKind.Malformed => v => Malformed(v.Handle(handle), v.Handle(session), how),
            _ => null,
        };
    }

    private static byte[] Template(int how) => (how % 5) switch
    {
        0 => Templates.Storage(),
        1 => Templates.Signing(),
        2 => Templates.Signing(policy: s_signOnly),
        3 => Templates.Hmac(PublicArea.StClearBit),
        _ => Templates.Hmac(),
    };

    private static byte[] Policy(uint session, int how) => (how % 4) switch
    {
        0 => Cmd.PolicyRestart(session),
        1 => Cmd.PolicyPcr(session, 16),
        _ => Cmd.PolicyCommandCode(session, 0x15D),
    };

    /// <summary>True when this variant of a change of hierarchies is TPM2_Clear.</summary>
    public static bool IsClear(int how) => how % 7 == 0;

    private static byte[] Change(int how) => (how % 7) switch
    {
        0 => Cmd.Clear(),
        1 => Cmd.ChangeEps(),
        2 => Cmd.ChangePps(),
        3 => Cmd.HierarchyControl(Handles.Owner, Handles.Owner, enable: false),
        4 => Cmd.HierarchyControl(Handles.Endorsement, Handles.Endorsement, enable: false),
        5 => Cmd.HierarchyControl(Handles.Platform, Handles.Owner, enable: true),
        _ => Cmd.HierarchyControl(Handles.Platform, Handles.Endorsement, enable: true),
    };

    /// <summary>Commands that are cut short, or too long, each with its size field right.</summary>
    private static byte[] Malformed(uint handle, uint session, int how)
    {
        byte[] whole = (how % 8) switch
        {
            0 => Cmd.ReadPublic(handle),
            1 => Cmd.FlushContext(handle),
            2 => Cmd.ContextSave(handle),
            3 => Cmd.Sign(handle, "x"),
            4 => Cmd.GetRandom(3, Auth.AuditSession(session)),
            5 => Cmd.StartAuthSession(SessionType.Hmac),
            6 => Cmd.FlushContext(session),
            _ => Cmd.Build(Cmd.FlushContextCode, [], new ByteWriter().U32(handle).Written, Auth.Password()),
        };
        int change = (how / 8 % 8) - 6;
        Array.Resize(ref whole, Math.Max(10, whole.Length + change));
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(whole.AsSpan(2), whole.Length);
        return whole;
    }

    private static byte[] Tampered(byte[] context)
    {
        byte[] copy = context.ToArray();
        copy[^1] ^= 1;
        return copy;
    }
}
