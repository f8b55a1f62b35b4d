using FsCheck;
using FsCheck.Fluent;

namespace TpmFs.Rm.Tests.Model;

/// <summary>
/// Random lists of actions for FsCheck, and how to make a failing list shorter and its actions simpler.
/// </summary>
internal static class ModelGenerator
{
    private static readonly (int Weight, ActionKind[] Kinds)[] s_weights =
    [
        (6, [ActionKind.CreatePrimary, ActionKind.ReadPublic, ActionKind.Sign, ActionKind.StartSession,
            ActionKind.LoadContext, ActionKind.SignWithSession]),
        (4, [ActionKind.SaveSession, ActionKind.SaveObject, ActionKind.FlushObject, ActionKind.Audited,
            ActionKind.Create, ActionKind.Load, ActionKind.GetRandom]),
        (3, [ActionKind.FlushSession, ActionKind.HashStart, ActionKind.HmacStart, ActionKind.SequenceUpdate,
            ActionKind.Policy, ActionKind.PolicyGetDigest, ActionKind.ListHandles]),
        (2, [ActionKind.SequenceComplete, ActionKind.EventSequenceComplete, ActionKind.CreateLoaded,
            ActionKind.LoadExternal, ActionKind.VendorCopy, ActionKind.Advance,
            ActionKind.ListProperties, ActionKind.Malformed]),
        (1, [ActionKind.ReadClock, ActionKind.PcrExtend, ActionKind.PcrRead, ActionKind.EvictControl,
            ActionKind.ChangeHierarchy, ActionKind.Reopen, ActionKind.Power,
            ActionKind.Replace]),
    ];

    private static readonly ActionKind[] s_choice = [.. s_weights.SelectMany(
        w => w.Kinds.SelectMany(k => Enumerable.Repeat(k, w.Weight)))];

    /// <summary>
    /// What neither ends an audit session's exclusivity nor may be made to end it, and some of what does.
    /// </summary>
    private static readonly ActionKind[] s_betweenAudits =
        [ActionKind.SaveObject, ActionKind.LoadContext, ActionKind.FlushObject, ActionKind.SaveSession,
            ActionKind.Advance, ActionKind.ListHandles, ActionKind.ReadPublic, ActionKind.Sign, ActionKind.Replace];

    public static Arbitrary<List<ModelAction>> Actions(int openers, int longest) => Arb.From(
        from length in Gen.Choose(1, longest)
        from seed in Gen.Choose(0, int.MaxValue)
        select Endless(openers, seed).Take(length).ToList(),
        Shrink);

    /// <summary>A list without end, the same for the same seed.</summary>
    public static IEnumerable<ModelAction> Endless(int openers, int seed)
    {
        var random = new Random(seed);
        while (true)
        {
            if (random.Next(12) != 0)
            {
                yield return Any(random, openers, s_choice);
                continue;
            }

            var audited = new ModelAction(random.Next(openers), ActionKind.Audited, random.Next(256), 0);
            yield return audited;
            yield return Any(random, openers, s_betweenAudits);
            yield return audited with { How = 1 };
        }
    }

    private static ModelAction Any(Random random, int openers, ActionKind[] kinds) =>
        new(random.Next(openers), kinds[random.Next(kinds.Length)], random.Next(256), random.Next(256));

    /// <summary>Leaves out runs of actions, the longest first; then makes the numbers of one action smaller.</summary>
    private static IEnumerable<List<ModelAction>> Shrink(List<ModelAction> actions)
    {
        for (int size = actions.Count / 2; size >= 1; size /= 2)
        {
            for (int at = 0; at + size <= actions.Count; at += size)
            {
                yield return [.. actions[..at], .. actions[(at + size)..]];
            }
        }

        for (int at = 0; at < actions.Count; at++)
        {
            foreach (ModelAction simpler in Simpler(actions[at]))
            {
                yield return [.. actions[..at], simpler, .. actions[(at + 1)..]];
            }
        }
    }

    private static IEnumerable<ModelAction> Simpler(ModelAction action)
    {
        foreach (ModelAction simpler in (ModelAction[])[action with { Opener = 0 }, action with { What = 0 },
            action with { What = action.What / 2 }, action with { How = 0 }, action with { How = action.How / 2 }])
        {
            if (simpler != action)
            {
                yield return simpler;
            }
        }
    }
}
