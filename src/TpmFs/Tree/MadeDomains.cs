using TpmFs.Configuration;
using TpmFs.Doors.Fuse;
using TpmFs.Fuse;
using TpmFs.Users;

namespace TpmFs.Tree;

/// <summary>domains/: the domains that an administrator makes for containers and services.</summary>
internal sealed class MadeDomains(TreeParts parts, DirectoryNode root, Func<string, DomainPlan> plan)
    : DomainCollection(parts, "domains", root)
{
    protected override bool IsName(string name) => SettingsKeys.PortableName().IsMatch(name);

    protected override DomainPlan PlanOf(string name) => plan(name);

    protected override DomainPlan Asked(string name, in FuseCaller caller, uint mode) =>
        DomainPlan.OfMade(caller.Uid, caller.Gid, mode, PlanOf(name).Limits);
}
