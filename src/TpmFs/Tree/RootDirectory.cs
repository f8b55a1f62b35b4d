using System.Text;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Permissions;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>The root of the tree, a domain itself.</summary>
internal sealed class RootDirectory(TreeParts parts, DomainPlan configured)
    : DomainDirectory(parts, "", configured, parent: null, hasRaw: true)
{
    private readonly TreeParts _parts = parts;

    /// <summary>
    /// Gets the attribute that 'tpmfs reset' sets. Its value is a place in the tree, empty for all of it.
    /// </summary>
    public static ReadOnlySpan<byte> ResetAttribute => "user.tpmfs.reset"u8;

    /// <summary>
    /// Takes a reset from a user who administers the tree; a write permission alone, which an ACL may give, is not
    /// enough.
    /// </summary>
    public override Errno SetXattr(in FuseCaller caller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        if (!name.SequenceEqual(ResetAttribute))
        {
            return base.SetXattr(caller, name, value, flags);
        }

        string[] steps = Encoding.Latin1.GetString(value).Split('/', StringSplitOptions.RemoveEmptyEntries);
        Node? at = Below(steps);
        Errno error = !_parts.IsAdministrator(caller.Uid) ? Errno.EPERM : at is null ? Errno.ENOENT : Errno.None;
        var audit = Audit.Of(caller.ToCaller(), _parts.Log);
        audit.Reset(string.Join('/', steps), error);
        if (!error.IsError)
        {
            at!.Reset(audit.OfReset);
        }

        return error;
    }

    private Node? Below(string[] steps)
    {
        Node? at = this;
        foreach (string step in steps)
        {
            at = at is DirectoryNode directory && directory.TryFind(step, out Node? next) ? next : null;
        }

        return at;
    }
}
