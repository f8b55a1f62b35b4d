using System.Globalization;
using TpmFs.Rm;

namespace TpmFs.Policy;

/// <summary>
/// Limits of a domain, as an administrator configured or changed them at run time. A limit that is null is decided
/// elsewhere.
/// </summary>
internal sealed record Limits
{
    public static readonly Limits Unsaid = new();

    /// <summary>Gets the most openers of the domain.</summary>
    public int? OpenersMax { get; init; }

    /// <summary>Gets the most objects of one opener.</summary>
    public int? ObjectsMax { get; init; }

    /// <summary>Gets the most sessions of one opener.</summary>
    public int? SessionsMax { get; init; }

    /// <summary>Gets the most saved sessions of one user in the domain.</summary>
    public int? SavedSessionsMax { get; init; }

    /// <summary>Gets the weight, 1 to 10000.</summary>
    public int? Weight { get; init; }

    public DenyList? Denied { get; init; }

    /// <summary>Gets the default limits of the root.</summary>
    public static Limits OfRoot { get; } = new()
    {
        OpenersMax = 4096,
        ObjectsMax = 64,
        SessionsMax = 16,
        SavedSessionsMax = 32,
        Weight = LimitKind.DefaultWeight,
        Denied = DenyList.DefaultOfRoot,
    };

    /// <summary>Gets the default limits of users and domains.</summary>
    public static Limits OfOthers { get; } = OfRoot with { Denied = DenyList.Default };

    /// <summary>Returns these limits, with others in the place of those that are null.</summary>
    public Limits Over(Limits others) => new()
    {
        OpenersMax = OpenersMax ?? others.OpenersMax,
        ObjectsMax = ObjectsMax ?? others.ObjectsMax,
        SessionsMax = SessionsMax ?? others.SessionsMax,
        SavedSessionsMax = SavedSessionsMax ?? others.SavedSessionsMax,
        Weight = Weight ?? others.Weight,
        Denied = Denied ?? others.Denied,
    };
}

/// <summary>A change of a domain's limits. Both sides are complete.</summary>
internal readonly record struct LimitsChange(Limits Before, Limits After)
{
    /// <summary>Returns the differences, for a person; empty where there are none.</summary>
    public override string ToString()
    {
        (Limits? before, Limits? after) = (Before, After);
        IEnumerable<string> changed = LimitKind.Known.Where(kind => kind.Get(before) != kind.Get(after))
            .Select(kind => $"{kind.Name} is now {kind.Show(kind.Get(after)!.Value)}");
        return string.Join(
            ", ",
            after.Denied!.Equals(before.Denied)
                ? changed : changed.Append($"commands.deny is now '{string.Join(' ', after.Denied.Lines)}'"));
    }
}

/// <summary>Describes one limit that is a number: its name, its range, and its place in <see cref="Limits"/>.</summary>
/// <param name="CanBeMax">True when the limit may be "max", which is <see cref="SpaceLimits.Unlimited"/>.</param>
internal sealed record LimitKind(
    string Name, int Least, int Most, bool CanBeMax, Func<Limits, int?> Get, Func<Limits, int?, Limits> Set)
{
    /// <summary>The default weight of a domain, as in cgroup v2.</summary>
    public const int DefaultWeight = 100;

    public const string Max = "max";

    public static IReadOnlyList<LimitKind> Known { get; } =
    [
        new("openers.max", 0, int.MaxValue, true, limits => limits.OpenersMax,
            (limits, value) => limits with { OpenersMax = value }),
        new("objects.max", 0, int.MaxValue, true, limits => limits.ObjectsMax,
            (limits, value) => limits with { ObjectsMax = value }),
        new("sessions.max", 0, int.MaxValue, true, limits => limits.SessionsMax,
            (limits, value) => limits with { SessionsMax = value }),
        new("sessions.saved.max", 0, int.MaxValue, true, limits => limits.SavedSessionsMax,
            (limits, value) => limits with { SavedSessionsMax = value }),
        new("weight", 1, 10_000, false, limits => limits.Weight, (limits, value) => limits with { Weight = value }),
    ];

    public string Show(int value) =>
        CanBeMax && value == SpaceLimits.Unlimited ? Max : value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reads a number in decimal digits, or "max".</summary>
    public bool TryRead(string text, out int value)
    {
        // Digits alone: int.TryParse takes NULs at the end.
        value = SpaceLimits.Unlimited;
        return (CanBeMax && text == Max)
            || (text.All(char.IsAsciiDigit)
                && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= Least
                && value <= Most);
    }
}
