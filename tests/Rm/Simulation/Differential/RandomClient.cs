using TpmFs.Simulation;

namespace TpmFs.Rm.Tests.Simulation.Differential;

/// <summary>A client that does anything, right or wrong, by a seed: the same to both TPMs of a pair.</summary>
internal sealed class RandomClient(TpmPair pair, int seed)
{
    private static readonly uint[] s_hierarchy = [Handles.Owner, Handles.Endorsement, Handles.Platform, Handles.Null];
    private static readonly string[] s_words = ["", "a", "abc", "key"];

    private readonly Random _random = new(seed);

    public void Run(int commands)
    {
        for (int i = 0; i < commands; i++)
        {
            Step();
        }
    }

    private void Step()
    {
        (uint any, uint other) = (AnyObject(), AnyObject());
        (uint session, string? name) = (AnySession(), AnyName());
        (string? word, uint hierarchy) = (Pick(s_words), Pick(s_hierarchy));
        Auth[] auths = Auths();
        switch (_random.Next(44))
        {
            case < 4:
                pair.Send(
                    Cmd.CreatePrimary(
                        hierarchy,
                        Pick<byte[]>(
                            Templates.Hmac(), Templates.Hmac(PublicArea.StClearBit), Templates.Storage(),
                            Templates.Signing()), word));
                break;
            case < 6:
                pair.Send(Cmd.Create(any, Templates.Hmac(), word), $"created{name}");
                break;
            case < 8:
                pair.Send(s => Cmd.Load(any, s[$"created{name}"].Sized(14), s[$"created{name}"].Sized(14, 1)));
                break;
            case 8:
                pair.Send(Cmd.CreateLoaded(Pick(any, hierarchy), Templates.Hmac(), word));
                break;
            case 9:
                pair.Send(Cmd.LoadExternal(Templates.Hmac(), hierarchy));
                break;
            case < 13:
                pair.Send(Cmd.ContextSave(Pick(any, session)), $"context{name}");
                break;
            case < 18:
                pair.Send(s => Cmd.ContextLoad(s[$"context{name}"].Body));
                break;
            case < 21:
                pair.Send(Cmd.FlushContext(Pick(any, session)));
                break;
            case < 24:
                pair.Send(
                    Cmd.StartAuthSession(
                        Pick(SessionType.Hmac, SessionType.Policy, SessionType.Trial), Pick(Handles.Null, any)));
                break;
            case < 27:
                pair.Send(Cmd.Sign(any, word, auths));
                break;
            case < 29:
                pair.Send(Cmd.GetRandom(3, auths));
                break;
            case 29:
                pair.Send(Cmd.ReadPublic(any));
                break;
            case 30:
                pair.Send(Cmd.HashSequenceStart(Pick(Hashes.Sha256, Hashes.None)));
                break;
            case 31:
                pair.Send(Cmd.HmacStart(any));
                break;
            case 32:
                pair.Send(Cmd.SequenceUpdate(any, word));
                break;
            case 33:
                pair.Send(Cmd.SequenceComplete(any, word, hierarchy));
                break;
            case 34:
                pair.Send(Cmd.EventSequenceComplete(Pick(16u, 3u, Handles.Null), other, word));
                break;
            case < 37:
                Policy(session);
                break;
            case 37:
                pair.Send(
                    Cmd.EvictControl(
                        Pick(Handles.Owner, Handles.Platform), any, Pick(0x81000000u, 0x81800000u, other)));
                break;
            case 38:
                pair.Send(Cmd.PcrExtend(Pick(3u, 16u), word));
                break;
            case 39:
                ChangeHierarchy();
                break;
            case 40:
                Power();
                break;
            default:
                Look();
                break;
        }
    }

    private void Policy(uint session)
    {
        pair.Send(
            Pick<byte[]>(
                Cmd.PolicyPcr(session, Pick(3, 16)), Cmd.PolicyCommandCode(session, Pick(0x15Du, 0x17Bu)),
                Cmd.PolicyRestart(session)));
        pair.Send(Cmd.PolicyGetDigest(session));
    }

    private void ChangeHierarchy() => pair.Send(Pick<byte[]>(Cmd.Clear(), Cmd.ChangeEps(), Cmd.ChangePps(),
        Cmd.HierarchyControl(Pick(s_hierarchy), Pick(s_hierarchy), _random.Next(3) == 0),
        Cmd.HierarchyControl(Handles.Platform, Pick(s_hierarchy[..2]), true)));

    private void Power()
    {
        if (_random.Next(4) != 0)
        {
            pair.Send(Cmd.Shutdown(state: _random.Next(3) != 0));
        }

        pair.PowerCycle();
        if (!pair.Send(Cmd.Startup(state: _random.Next(3) != 0)).IsSuccess)
        {
            pair.Send(Cmd.Startup());
        }
    }

    private void Look()
    {
        pair.Send(
            Cmd.GetCapability(1, Pick<uint>(0x80000000, 0x81000000, 0x02000000, 0x03000000), (uint)_random.Next(4)));
        pair.Send(Cmd.GetCapability(6, 0x203, 5));
        pair.Send(Cmd.ReadClock());
    }

    private uint AnyObject() =>
        Pick<uint>(0x80000000, 0x80000000, 0x80000001, 0x80000001, 0x80000002, 0x80000003, 0x81000000, 0x81800000);

    private uint AnySession() => (Pick(0x02u, 0x02u, 0x03u) << 24) | (uint)_random.Next(5);

    private string AnyName() => Pick("0", "1", "2", "3", "4", "5");

    private Auth[] Auths()
    {
        var list = new List<Auth>();
        for (int i = _random.Next(3); i >= 0; i--)
        {
            list.Add(
                _random.Next(3) == 0
                    ? Auth.Password()
                    : new Auth(AnySession(), Pick<byte>(0, 1, 1, 1, 0x81, 0x81, 0x83, 0x85, 0x21, 0x41)));
        }

        return [.. list];
    }

    private T Pick<T>(params T[] from) => from[_random.Next(from.Length)];
}
