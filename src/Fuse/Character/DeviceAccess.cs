namespace TpmFs.Fuse.Character;

/// <summary>The permissions to open a device.</summary>
/// <param name="Mode">Permission bits.</param>
/// <param name="Acl">
/// The value of system.posix_acl_access, which says the same as the mode and more; empty where the mode says all.
/// </param>
public readonly record struct DeviceAccess(uint Uid, uint Gid, uint Mode, ReadOnlyMemory<byte> Acl)
{
    /// <summary>Gets the permissions of a device that the kernel has just made: only root may open it.</summary>
    public static DeviceAccess OfNew => new(0, 0, 0b110_000_000, default);

    /// <summary>
    /// Gets permissions that no device is ever given. After them, a change to any others takes all of its steps.
    /// </summary>
    internal static DeviceAccess Unknown => new(uint.MaxValue, uint.MaxValue, 0, default);

    public bool Equals(DeviceAccess other) =>
        Uid == other.Uid && Gid == other.Gid && Mode == other.Mode && Acl.Span.SequenceEqual(other.Acl.Span);

    public override int GetHashCode() => HashCode.Combine(Uid, Gid, Mode, Acl.Length);
}
