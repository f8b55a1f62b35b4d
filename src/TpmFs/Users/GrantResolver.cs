using System.Globalization;
using Serilog;
using TpmFs.Configuration;
using TpmFs.Permissions;

namespace TpmFs.Users;

/// <summary>
/// Works out which users have a directory, and which one, from the configuration and the system's users and groups.
/// When the system cannot be asked, the last result stays. Used by one thread.
/// </summary>
/// <param name="database">Knows the system's users.</param>
/// <param name="root">The owner of the tree.</param>
/// <param name="remember">Learns of each user who has a directory.</param>
/// <param name="log">Learns of names that cannot be found.</param>
internal sealed class GrantResolver(IUserDatabase database, Access root, Action<UserEntry> remember, ILogger log)
{
    private readonly Dictionary<string, IReadOnlyList<UserEntry>> _granted = new(StringComparer.Ordinal);

    public ResolvedPlans Resolve(Settings settings)
    {
        Dictionary<string, DomainPlan> users = ResolveUsers(settings, out bool isComplete);
        return new ResolvedPlans(users, ResolveDomains(settings)) { HasAllUsers = isComplete };
    }

    /// <summary>A user who is named goes before a group that the user is in, and a group before a later one.</summary>
    /// <param name="settings">The configuration.</param>
    /// <param name="isComplete">True when the system found each user and group that the configuration names.</param>
    private Dictionary<string, DomainPlan> ResolveUsers(Settings settings, out bool isComplete)
    {
        isComplete = true;
        var plans = new Dictionary<string, DomainPlan>(StringComparer.Ordinal);
        foreach ((string? grantee, DomainSettings? said) in settings.Users.OrderBy(entry => entry.Key[0] == '@'))
        {
            if (TryFind(grantee, out IReadOnlyList<UserEntry>? entries))
            {
                _granted[grantee] = entries;
                isComplete &= entries.Count > 0;
            }
            else
            {
                isComplete = false;
                log.Warning("the system could not look up {Grantee}; tpmfs goes on with what it knew of it", grantee);
            }

            foreach (UserEntry? user in _granted.GetValueOrDefault(grantee, []))
            {
                remember(user);
                string name = user.Uid.ToString(CultureInfo.InvariantCulture);
                plans.TryAdd(name, DomainPlan.OfUser(user.Uid, user.Gid, settings.LimitsOf(said)));
            }
        }

        return plans;
    }

    private bool TryFind(string grantee, out IReadOnlyList<UserEntry> entries)
    {
        entries = [];
        bool asked;
        if (grantee[0] == '@')
        {
            asked = database.TryFindMembers(grantee[1..], out IReadOnlyList<UserEntry>? members);
            entries = members ?? [];
            WarnOfNobody(grantee, asked && members is null);
            return asked;
        }

        if (uint.TryParse(grantee, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid))
        {
            asked = database.TryFindUser(uid, out UserEntry? numbered);
            entries = [numbered ?? new UserEntry(grantee, uid, uid)];
            return asked;
        }

        asked = database.TryFindUser(grantee, out UserEntry? user);
        entries = user is null ? [] : [user];
        WarnOfNobody(grantee, asked && user is null);
        return asked;
    }

    private void WarnOfNobody(string grantee, bool isNobody)
    {
        if (isNobody && (!_granted.TryGetValue(grantee, out IReadOnlyList<UserEntry>? before) || before.Count > 0))
        {
            log.Warning(
                "the configuration grants {Grantee} a directory, but there is no such user or group; correct the name "
                    + "and reload (SIGHUP), or make the user or group", grantee);
        }
    }

    private Dictionary<string, DomainPlan> ResolveDomains(Settings settings)
    {
        var plans = new Dictionary<string, DomainPlan>(StringComparer.Ordinal);
        foreach ((string? name, DomainSettings? said) in settings.Domains)
        {
            uint owner = Number(said.Owner, FindUser) ?? root.Uid;
            uint group = Number(said.Group, FindGroup) ?? root.Gid;
            plans.Add(name, DomainPlan.OfConfigured(owner, group, said.Mode, settings.LimitsOf(said)));
        }

        return plans;
    }

    private uint? FindUser(string name) => database.TryFindUser(name, out UserEntry? user) ? user?.Uid : null;

    private uint? FindGroup(string name) => database.TryFindGroup(name, out uint? gid) ? gid : null;

    /// <returns>
    /// Null where the configuration names nobody, or a user who cannot be found: then the directory is root's.
    /// </returns>
    private uint? Number(string? name, Func<string, uint?> find)
    {
        if (name is null)
        {
            return null;
        }

        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
        {
            return number;
        }

        uint? numbered = find(name);
        if (numbered is null)
        {
            log.Warning(
                "the configuration gives a domain to {Name}, but there is no such user or group; root has the domain "
                    + "until there is", name);
        }

        return numbered;
    }
}

/// <summary>Returns the domains of the configuration, by their directories' names.</summary>
internal sealed record ResolvedPlans(
    IReadOnlyDictionary<string, DomainPlan> Users, IReadOnlyDictionary<string, DomainPlan> Domains)
{
    public static readonly ResolvedPlans None =
        new(new Dictionary<string, DomainPlan>(), new Dictionary<string, DomainPlan>());

    /// <summary>
    /// Gets whether these are all users of the configuration: each name and group was found, and has users.
    /// </summary>
    public bool HasAllUsers { get; init; }
}
