namespace TpmFs.Fuse.Wire;

/// <summary>Converts between the public types and the wire's.</summary>
internal static class WireConversions
{
    /// <summary>S_IALLUGO: the bits that chmod(2) can change.</summary>
    private const uint PermissionBits = 0xFFF;
    private const uint StatBlockSize = 512;
    private const uint PreferredBlockSize = 4096;
    private const long NanosecondsPerSecond = 1_000_000_000;
    private static readonly long s_minSeconds = DateTimeOffset.MinValue.ToUnixTimeSeconds();
    private static readonly long s_maxSeconds = DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    public static FuseAttr ToWire(this in FuseAttributes attributes)
    {
        (ulong atime, uint atimeNsec) = ToWire(attributes.AccessTime);
        (ulong mtime, uint mtimeNsec) = ToWire(attributes.ModifyTime);
        (ulong ctime, uint ctimeNsec) = ToWire(attributes.ChangeTime);
        ulong blocks = (attributes.Size / StatBlockSize) + (attributes.Size % StatBlockSize == 0 ? 0u : 1u);
        return new FuseAttr(
            attributes.Inode, attributes.Size, blocks, atime, mtime, ctime, atimeNsec, mtimeNsec, ctimeNsec,
            attributes.Mode, attributes.LinkCount, attributes.Uid, attributes.Gid, RDev: 0, PreferredBlockSize,
            Flags: 0);
    }

    /// <summary>Returns an entry that the kernel may not cache: it asks again each time.</summary>
    public static FuseEntryOut ToWire(this in FuseEntry entry) =>
        new(entry.Node.Value, Generation: 0, EntryValid: 0, AttrValid: 0, EntryValidNsec: 0, AttrValidNsec: 0,
            entry.Attributes.ToWire());

    public static FuseAttributeChange ToChange(this in FuseSetAttrIn request)
    {
        FuseSetAttrValid valid = request.Valid;
        return new FuseAttributeChange
        {
            Mode = valid.HasFlag(FuseSetAttrValid.Mode) ? request.Mode & PermissionBits : null,
            Uid = valid.HasFlag(FuseSetAttrValid.Uid) ? request.Uid : null,
            Gid = valid.HasFlag(FuseSetAttrValid.Gid) ? request.Gid : null,
            Size = valid.HasFlag(FuseSetAttrValid.Size) ? request.Size : null,
            AccessTime = valid.HasFlag(FuseSetAttrValid.ATime) ? FromWire(request.ATime, request.ATimeNsec) : null,
            ModifyTime = valid.HasFlag(FuseSetAttrValid.MTime) ? FromWire(request.MTime, request.MTimeNsec) : null,
            Open = valid.HasFlag(FuseSetAttrValid.Fh) ? new OpenId(request.Fh) : null,
        };
    }

    private static (ulong Seconds, uint Nanoseconds) ToWire(DateTimeOffset time)
    {
        long ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks;
        (long seconds, long rest) = Math.DivRem(ticks, TimeSpan.TicksPerSecond);
        if (rest < 0)
        {
            seconds--;
            rest += TimeSpan.TicksPerSecond;
        }

        return ((ulong)seconds, (uint)(rest * TimeSpan.NanosecondsPerTick));
    }

    /// <summary>
    /// Converts a time. Times outside the range of <see cref="DateTimeOffset"/> (years 1 to 9999) become the nearest
    /// second in it.
    /// </summary>
    private static DateTimeOffset FromWire(ulong seconds, uint nanoseconds)
    {
        long whole = Math.Clamp((long)seconds, s_minSeconds, s_maxSeconds);
        long ticks = Math.Min(nanoseconds, NanosecondsPerSecond - 1) / TimeSpan.NanosecondsPerTick;
        return DateTimeOffset.FromUnixTimeSeconds(whole).AddTicks(ticks);
    }
}
