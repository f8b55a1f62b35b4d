using System.Collections;
using System.Collections.Immutable;
using TpmFs.Tpm;

namespace TpmFs.Policy;

/// <summary>
/// The commands that a domain refuses: sets, single commands, and exceptions from the sets. Immutable.
/// </summary>
/// <remarks>
/// It may hold commands without end (@all), so it can tell whether it has a command, but cannot count its commands.
/// </remarks>
internal sealed class DenyList : IReadOnlySet<TpmCc>, IEquatable<DenyList>
{
    public static readonly DenyList Nothing = new([], [], []);

    private readonly ImmutableSortedSet<string> _sets;
    private readonly ImmutableSortedSet<TpmCc> _commands;
    private readonly ImmutableSortedSet<TpmCc> _allowed; // each of them in one of the sets

    private DenyList(
        ImmutableSortedSet<string> sets, ImmutableSortedSet<TpmCc> commands, ImmutableSortedSet<TpmCc> allowed)
    {
        _sets = sets;
        _commands = commands;
        _allowed = allowed;
    }

    /// <summary>Gets the commands that the root refuses unless the administrator says otherwise.</summary>
    public static DenyList DefaultOfRoot { get; } = Nothing.With(CommandSet.Platform);

    /// <summary>Gets the commands that users and made domains refuse unless the administrator says otherwise.</summary>
    public static DenyList Default { get; } = Nothing.With(CommandSet.Admin).With(CommandSet.Power);

    /// <summary>Gets the lines from which the same list is read again.</summary>
    public IEnumerable<string> Lines =>
        [.. _sets.Order(StringComparer.Ordinal), .. _commands.Select(command => command.ToName()),
            .. _allowed.Select(command => "-" + command.ToName())];

    public int Count => throw Endless();

    /// <summary>
    /// Reads lines: a name (TPM2_Clear), a number (0x126) or a set (@admin) each, or one of these after + or -, which
    /// changes the list. Without names that stand alone it is <paramref name="current"/> that is changed; else the
    /// lines begin a list, unless they go on with one.
    /// </summary>
    /// <param name="goesOn">
    /// True when earlier lines began the list: names are then added to <paramref name="current"/>.
    /// </param>
    /// <param name="begins">True when these lines began a list.</param>
    /// <param name="wrong">The first line that is none of these.</param>
    public static bool TryRead(
        IEnumerable<string> lines, DenyList current, bool goesOn, out DenyList list, out bool begins, out string wrong)
    {
        string[] entries = [.. lines.Select(line => line.Trim(' ', '\t', '\r')).Where(line => line.Length > 0)];
        begins = !goesOn && (entries.Length == 0 || Array.Exists(entries, entry => entry[0] is not ('+' or '-')));
        list = begins ? Nothing : current;
        wrong = "";
        foreach (string entry in entries)
        {
            string name = entry[0] is '+' or '-' ? entry[1..] : entry;
            bool denies = entry[0] != '-';
            if (CommandSet.Find(name) is { } set)
            {
                list = denies ? list.With(set) : list.Without(set);
            }
            // a NUL at the end would pass for a number
            else if (!name.Any(char.IsControl) && TpmCcNames.TryParse(name, out TpmCc command))
            {
                list = denies ? list.With(command) : list.Without(command);
            }
            else
            {
                wrong = entry;
                return false;
            }
        }

        return true;
    }

    public bool Contains(TpmCc item) => _commands.Contains(item) || (InSets(item) && !_allowed.Contains(item));

    public bool Equals(
        DenyList? other) => other is not null && _sets.SetEquals(other._sets) && _commands.SetEquals(other._commands)
            && _allowed.SetEquals(other._allowed);

    public override bool Equals(object? obj) => Equals(obj as DenyList);

    public override int GetHashCode() => HashCode.Combine(_sets.Count, _commands.Count, _allowed.Count);

    public IEnumerator<TpmCc> GetEnumerator() => throw Endless();

    public bool IsProperSubsetOf(IEnumerable<TpmCc> other) => throw Endless();

    public bool IsProperSupersetOf(IEnumerable<TpmCc> other) => throw Endless();

    public bool IsSubsetOf(IEnumerable<TpmCc> other) => throw Endless();

    public bool IsSupersetOf(IEnumerable<TpmCc> other) => other.All(Contains);

    public bool Overlaps(IEnumerable<TpmCc> other) => other.Any(Contains);

    public bool SetEquals(IEnumerable<TpmCc> other) => throw Endless();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static NotSupportedException Endless() => new("a deny list may be endless");

    private bool InSets(TpmCc command) => _sets.Any(name => CommandSet.Find(name)!.Contains(command));

    /// <summary>Adds the whole set, also the commands of it that were exceptions before.</summary>
    private DenyList With(CommandSet set) =>
        new(_sets.Add(set.Name), _commands.Except(_commands.Where(set.Contains)),
            _allowed.Except(_allowed.Where(set.Contains)));

    private DenyList With(TpmCc command) =>
        new(_sets, InSets(command) ? _commands : _commands.Add(command), _allowed.Remove(command));

    /// <summary>Removes the whole set, also the commands of it that another set has.</summary>
    private DenyList Without(CommandSet set)
    {
        var rest = new DenyList(_sets.Remove(set.Name), _commands.Except(_commands.Where(set.Contains)), _allowed);
        rest = new DenyList(
            rest._sets, rest._commands, rest._allowed.Except(rest._allowed.Where(command => !rest.InSets(command))));
        return set.Commands is null ? Nothing : set.Commands.Aggregate(rest, (list, command) => list.Without(command));
    }

    private DenyList Without(TpmCc command) =>
        new(_sets, _commands.Remove(command), InSets(command) ? _allowed.Add(command) : _allowed);
}
