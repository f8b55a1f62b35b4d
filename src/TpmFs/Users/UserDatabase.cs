using System.Runtime.InteropServices;
using Mono.Unix.Native;
using Errno = TpmFs.Os.Errno;

namespace TpmFs.Users;

/// <summary>A user of the system.</summary>
internal sealed record UserEntry(string Name, uint Uid, uint Gid);

/// <summary>
/// Finds users and groups, as getent(1) does. May take as long as a directory server takes. Each method returns false
/// when the system could not be asked, and gives null when there is no such user or group.
/// </summary>
internal interface IUserDatabase
{
    bool TryFindUser(string name, out UserEntry? user);

    bool TryFindUser(uint uid, out UserEntry? user);

    bool TryFindGroup(string name, out uint? gid);

    /// <summary>Finds the users who are in a group, by its list or as their first group.</summary>
    bool TryFindMembers(string group, out IReadOnlyList<UserEntry>? members);
}

/// <summary>Asks the machine's database, through libc. One thread at a time.</summary>
internal sealed class UserDatabase : IUserDatabase
{
    /// <summary>The errors that systems give when there is no such entry (getpwnam(3)).</summary>
    private static readonly HashSet<Errno> s_noSuchEntry =
        [Errno.None, Errno.ENOENT, Errno.ESRCH, Errno.EBADF, Errno.EPERM];

    public bool TryFindUser(string name, out UserEntry? user) =>
        Ended(user = Entry(Cleared(() => Syscall.getpwnam(name))));

    public bool TryFindUser(uint uid, out UserEntry? user) => Ended(user = Entry(Cleared(() => Syscall.getpwuid(uid))));

    public bool TryFindGroup(string name, out uint? gid) => Ended(gid = Cleared(() => Syscall.getgrnam(name))?.gr_gid);

    public bool TryFindMembers(string group, out IReadOnlyList<UserEntry>? members)
    {
        members = null;
        Group? entry = Cleared(() => Syscall.getgrnam(group));
        if (entry is null)
        {
            return Ended(entry);
        }

        var found = new List<UserEntry>();
        foreach (string? name in entry.gr_mem)
        {
            if (!TryFindUser(name, out UserEntry? member))
            {
                return false;
            }

            if (member is not null)
            {
                found.Add(member);
            }
        }

        if (Syscall.setpwent() != 0)
        {
            return false;
        }

        while (Syscall.getpwent() is { } user)
        {
            if (user.pw_gid == entry.gr_gid)
            {
                found.Add(Entry(user)!);
            }
        }

        Syscall.endpwent();
        members = [.. found.DistinctBy(member => member.Uid)];
        return true;
    }

    private static TEntry? Cleared<TEntry>(Func<TEntry?> find)
        where TEntry : class
    {
        Marshal.SetLastSystemError(0);
        return find();
    }

    /// <summary>Returns true when a look-up is over: an entry was found, or errno says that there is none.</summary>
    private static bool Ended(object? entry) =>
        entry is not null || s_noSuchEntry.Contains(Errno.Last);

    private static UserEntry? Entry(Passwd? user) =>
        user is null ? null : new UserEntry(user.pw_name, user.pw_uid, user.pw_gid);
}
