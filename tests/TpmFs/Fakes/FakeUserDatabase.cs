using System.Collections.Concurrent;
using TpmFs.Users;

namespace TpmFs.Daemon.Tests.Fakes;

/// <summary>Users and groups of a test. Any thread.</summary>
internal sealed class FakeUserDatabase : IUserDatabase
{
    public volatile bool IsDown;

    public List<UserEntry> Users { get; } = [new("alice", 1000, 100), new("bob", 1001, 101)];

    public ConcurrentDictionary<string, (uint Gid, string[] Members)> Groups { get; } =
        new() { ["students"] = (200, ["alice", "bob"]) };

    /// <summary>The names of users that were asked for, in their order.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public bool TryFindUser(string name, out UserEntry? user)
    {
        Asked.Enqueue(name);
        return Up(user = Users.Find(entry => entry.Name == name));
    }

    /// <summary>The numbers of users that were asked for, in their order.</summary>
    public ConcurrentQueue<uint> AskedUids { get; } = new();

    public bool TryFindUser(uint uid, out UserEntry? user)
    {
        AskedUids.Enqueue(uid);
        return Up(user = Users.Find(entry => entry.Uid == uid));
    }

    public bool TryFindGroup(string name, out uint? gid) =>
        Up(gid = Groups.TryGetValue(name, out (uint Gid, string[] Members) group) ? group.Gid : null);

    public bool TryFindMembers(string group, out IReadOnlyList<UserEntry>? members) =>
        Up(members = Groups.TryGetValue(group, out (uint Gid, string[] Members) found)
            ? Users.FindAll(user => found.Members.Contains(user.Name)) : null);

    private bool Up(object? _) => !IsDown;
}
