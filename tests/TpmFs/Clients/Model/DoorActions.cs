using FsCheck;
using FsCheck.Fluent;

namespace TpmFs.Daemon.Tests.Clients.Model;

/// <summary>Makes runs of actions, and makes those that fail shorter.</summary>
internal static class DoorActions
{
    private static readonly (int Weight, DoorActionKind Kind)[] s_weights =
    [
        (10, DoorActionKind.Write), (12, DoorActionKind.Read), (6, DoorActionKind.Answer),
        (4, DoorActionKind.AnswerAll), (4, DoorActionKind.Poll), (3, DoorActionKind.Open), (2, DoorActionKind.Advance),
        (2, DoorActionKind.Interrupt), (2, DoorActionKind.Close), (1, DoorActionKind.Cancel),
        (1, DoorActionKind.Revoke), (1, DoorActionKind.Limit),
    ];

    private static readonly DoorActionKind[] s_choice =
        [.. s_weights.SelectMany(entry => Enumerable.Repeat(entry.Kind, entry.Weight))];

    public static Arbitrary<List<DoorAction>> Runs(int longest) => Arb.From(
        from length in Gen.Choose(1, longest)
        from seed in Gen.Choose(0, int.MaxValue)
        select Make(length, seed),
        Shrink);

    /// <summary>Makes a run, the same for the same seed. Some of them go on after the domain's end.</summary>
    private static List<DoorAction> Make(int length, int seed)
    {
        var random = new Random(seed);
        List<DoorAction> actions = [new(DoorActionKind.Open, 0, 1), new(DoorActionKind.Open, 0, 2)];
        while (actions.Count < length)
        {
            DoorActionKind kind =
                random.Next(150) == 0 ? DoorActionKind.End : s_choice[random.Next(s_choice.Length)];
            actions.Add(new DoorAction(kind, random.Next(64), random.Next(256)));
        }

        return actions;
    }

    /// <summary>Leaves out runs of actions, the longest first.</summary>
    private static IEnumerable<List<DoorAction>> Shrink(List<DoorAction> actions)
    {
        for (int size = actions.Count / 2; size >= 1; size /= 2)
        {
            for (int at = 0; at + size <= actions.Count; at += size)
            {
                yield return [.. actions[..at], .. actions[(at + size)..]];
            }
        }
    }
}
