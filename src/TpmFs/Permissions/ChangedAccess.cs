namespace TpmFs.Permissions;

/// <summary>An access that was changed at run time.</summary>
/// <param name="Access">The access after the change.</param>
/// <param name="Configured">
/// The access that was configured then; null where an earlier tpmfs did not write it down.
/// </param>
internal readonly record struct ChangedAccess(Access Access, Access? Configured)
{
    /// <summary>
    /// True when the change was made to this configured access, or nobody knows to which. A group without permissions
    /// does not matter: a user's first group is known only after the system has looked it up.
    /// </summary>
    /// <param name="configured">The access that is configured now.</param>
    public bool IsOf(Access configured) => Configured is not { } then
        || (then with { Gid = configured.Gid } == configured && (then.Gid == configured.Gid || !then.IsGroups));
}
