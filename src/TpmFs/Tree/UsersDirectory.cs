using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>
/// users/: a domain for each granted user, whose one name is the uid. A user's name leads there too, unlisted. Looking
/// a name up may take long and is done by another thread, so the first program that looks up a name may not find it.
/// </summary>
internal sealed class UsersDirectory(TreeParts parts, DirectoryNode root, UserResolver resolver)
    : DomainCollection(parts, "users", root)
{
    private readonly ConcurrentDictionary<string, LinkNode> _links = new(StringComparer.Ordinal);

    /// <summary>Returns true when a user has a directory.</summary>
    public bool Has(uint uid) => TryFind(uid.ToString(CultureInfo.InvariantCulture), out _);

    public override Errno Find(in FuseCaller caller, ReadOnlySpan<byte> name, out Node? child)
    {
        Errno error = base.Find(caller, name, out child);
        if (error != Errno.ENOENT || resolver.UidOf(Encoding.Latin1.GetString(name), caller.Uid) is not { } uid
            || !Has(uid))
        {
            return error;
        }

        child = _links.GetOrAdd(uid.ToString(CultureInfo.InvariantCulture), MakeLink);
        return Errno.None;
    }

    public override Errno MakeDirectory(in FuseCaller caller, ReadOnlySpan<byte> name, uint mode, out Node? made)
    {
        Errno error = base.MakeDirectory(caller, name, mode, out made);
        string text = Encoding.Latin1.GetString(name);
        if (!error.IsError)
        {
            resolver.LookUp(uint.Parse(text, CultureInfo.InvariantCulture));
        }
        else if (error == Errno.EINVAL && Parts.IsAdministrator(caller.Uid)) // who reads the log
        {
            resolver.Explain(text);
        }

        return error;
    }

    /// <summary>A uid in decimal, as ls -n shows it.</summary>
    protected override bool IsName(string name) =>
        uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid) && uid != uint.MaxValue
            && name == uid.ToString(CultureInfo.InvariantCulture);

    protected override bool MayMake(string name, uint uid) =>
        IsOf(uint.Parse(name, CultureInfo.InvariantCulture), uid);

    protected override DomainPlan PlanOf(string name) =>
        resolver.OfMade(uint.Parse(name, CultureInfo.InvariantCulture));

    protected override DomainPlan Asked(string name, in FuseCaller caller, uint mode) => PlanOf(name);

    /// <summary>Links are never listed and never removed; the number of users bounds them.</summary>
    private LinkNode MakeLink(string uid)
    {
        var link = new LinkNode(Parts.Table, Parts.Root, uid);
        Parts.Table.Link(link);
        return link;
    }
}
