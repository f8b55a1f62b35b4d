using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using TpmFs.Permissions;
using TpmFs.Policy;

namespace TpmFs.State;

/// <summary>
/// Turns limits and access into the state file's words, and back. Checks all that is read: the file may hold anything.
/// </summary>
internal static class Saved
{
    private const string OwningGroup = "group::";
    private const string Letters = "rwx";

    public static SavedAccess Of(Access access) => new(
        "0" + Convert.ToString(access.Mode, 8).PadLeft(3, '0'),
        access.Uid,
        access.Gid,
        access.Acl is not { } acl
            ? null
            : [OwningGroup + Show(acl.Group),
                .. acl.Named.Select(entry => $"{Name(entry.Kind)}:{entry.Id}:{Show(entry.Permissions)}")]);

    public static SavedAccess Of(ChangedAccess changed) =>
        Of(changed.Access) with { Configured = changed.Configured is { } configured ? Of(configured) : null };

    public static SavedLimits Of(Limits limits) => new(
        new SortedDictionary<string, string>(
            LimitKind.Known.Where(kind => kind.Get(limits) is not null)
                .ToDictionary(kind => kind.Name, kind => kind.Show(kind.Get(limits)!.Value)), StringComparer.Ordinal),
        limits.Denied?.Lines.ToList());

    public static bool TryRead(SavedAccess saved, out Access access)
    {
        access = default;
        if (saved.Mode is not { Length: 4 } || !saved.Mode.All(c => c is >= '0' and <= '7') || saved.Mode[0] != '0'
            || saved.Uid == uint.MaxValue || saved.Gid == uint.MaxValue)
        {
            return false;
        }

        PosixAcl? acl = null;
        bool whole = saved.Acl is null || TryRead(saved.Acl, out acl);
        access = new Access(Convert.ToUInt32(saved.Mode, 8), saved.Uid, saved.Gid, acl);
        return whole;
    }

    public static bool TryRead(SavedAccess saved, out ChangedAccess changed)
    {
        Access configured = default;
        bool whole = TryRead(saved, out Access access)
            && (saved.Configured is null || TryRead(saved.Configured, out configured));
        changed = new ChangedAccess(access, saved.Configured is null ? null : configured);
        return whole;
    }

    public static bool TryRead(SavedLimits saved, out Limits limits)
    {
        limits = Limits.Unsaid;
        foreach ((string? name, string? text) in saved.Values ?? [])
        {
            if (LimitKind.Known.FirstOrDefault(kind => kind.Name == name) is not { } known || text is null
                || !known.TryRead(text, out int value))
            {
                return false;
            }

            limits = known.Set(limits, value);
        }

        if (saved.CommandsDeny is null)
        {
            return true;
        }

        if (saved.CommandsDeny.Contains(null!)
            || !DenyList.TryRead(saved.CommandsDeny, DenyList.Nothing, false, out DenyList? denied, out _, out _))
        {
            return false;
        }

        limits = limits with { Denied = denied };
        return true;
    }

    private static bool TryRead(List<string> lines, [NotNullWhen(true)] out PosixAcl? acl)
    {
        acl = null;
        ImmutableArray<AclEntry>.Builder named = ImmutableArray.CreateBuilder<AclEntry>();
        uint? group = null;
        foreach (string line in lines)
        {
            if (line?.Split(':') is not [var kind, var id, var permissions]
                || !TryReadPermissions(permissions, out uint bits))
            {
                return false;
            }

            bool isUser = kind == Name(AclKind.User);
            if (group is null && line.StartsWith(OwningGroup, StringComparison.Ordinal))
            {
                group = bits;
            }
            else if ((isUser || kind == Name(AclKind.Group))
                && uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
                && number != uint.MaxValue)
            {
                named.Add(new AclEntry(isUser ? AclKind.User : AclKind.Group, number, bits));
            }
            else
            {
                return false;
            }
        }

        // The order that the kernel demands, and nothing twice, are checked where every ACL is: on its way in.
        return group is not null
            && named.Count is > 0 and <= PosixAcl.MaxNamed
            && PosixAcl.TryParse(new PosixAcl(group.Value, named.ToImmutable()).ToBytes(mode: 0), out acl, out _);
    }

    private static string Name(AclKind kind) => kind == AclKind.User ? "user" : "group";

    private static string Show(uint permissions) =>
        string.Concat(Letters.Select((letter, at) => (permissions & (4u >> at)) != 0 ? letter : '-'));

    private static bool TryReadPermissions(string text, out uint permissions)
    {
        permissions = 0;
        for (int at = 0; at < Letters.Length && text.Length == Letters.Length; at++)
        {
            if (text[at] == Letters[at])
            {
                permissions |= 4u >> at;
            }
            else if (text[at] != '-')
            {
                return false;
            }
        }

        return text.Length == Letters.Length;
    }
}
