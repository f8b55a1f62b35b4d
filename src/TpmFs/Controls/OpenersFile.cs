using System.Globalization;
using TpmFs.Domains;
using TpmFs.Nodes;

namespace TpmFs.Controls;

/// <summary>
/// openers: a line for each opener of a domain: id, uid, pid, command, node, locality, objects, sessions, commands, age in seconds, with a blank
/// between them and none in them.
/// </summary>
internal sealed class OpenersFile(NodeTable table, ControlContext context, Node directory, Domain domain, TimeProvider time) : OwnersFile(table, context, directory)
{
    public override string Content() => string.Concat(domain.Openers.Select(opener =>
    {
        (Openers.OpenerIdentity? who, Rm.Space? space) = (opener.Identity, opener.Space);
        long age = (long)time.GetElapsedTime(who.OpenedAt).TotalSeconds;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{who.Id} {who.Uid} {who.Pid} {who.Command} {who.Node} {who.Locality} {space.ObjectCount} {space.SessionCount} {space.Usage.Commands} {age}\n");
    }));
}
