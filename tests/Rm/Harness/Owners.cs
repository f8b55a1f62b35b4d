namespace TpmFs.Rm.Tests.Harness;

/// <summary>Owners of spaces, for tests in which the owner does not matter.</summary>
internal static class Owners
{
    /// <summary>Returns a user in a group of its own.</summary>
    public static SpaceOwner New(uint uid = 0) =>
        new(new SchedulingGroup(new GroupId(1), "root", new SpaceLimits()), uid, Locality: 0);
}
