using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace TpmFs.Permissions;

/// <summary>
/// The part of a POSIX access ACL that a mode does not have: the owning group's own permissions, and those of further
/// users and groups. The owner's, the others' and the mask are the mode's bits, so the two cannot disagree.
/// </summary>
/// <param name="Group">The permissions of the owning group, before the mask: rwx as 0 to 7.</param>
/// <param name="Named">The entries, sorted: users before groups, each by id, no id twice.</param>
internal sealed record PosixAcl(uint Group, ImmutableArray<AclEntry> Named)
{
    private const uint Version = 2; // POSIX_ACL_XATTR_VERSION of linux/posix_acl_xattr.h
    private const int HeaderSize = 4;
    private const int EntrySize = 8;
    private const int FixedEntries = 4; // the owner's, the group's, the mask, the others'
    private const uint NoId = uint.MaxValue;

    public const int MaxNamed = 256;

    // ACL_* of linux/posix_acl.h.
    private const ushort UserObject = 0x01;
    private const ushort GroupObject = 0x04;
    private const ushort Mask = 0x10;
    private const ushort Other = 0x20;

    /// <summary>Returns the length of a complete value of system.posix_acl_access, in bytes.</summary>
    /// <param name="named">The number of further users and groups in it.</param>
    public static int LengthOf(int named) => HeaderSize + ((named + FixedEntries) * EntrySize);

    public bool IsMinimal => Named.IsEmpty;

    public bool Equals(PosixAcl? other) =>
        other is not null && Group == other.Group && Named.SequenceEqual(other.Named);

    public override int GetHashCode() => HashCode.Combine(Group, Named.Length);

    /// <summary>
    /// Reads the value of system.posix_acl_access: complete, in the order that the kernel demands (posix_acl_valid of
    /// fs/posix_acl.c), and nothing twice. <paramref name="mode"/> is the mode that goes with it.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> value, [NotNullWhen(true)] out PosixAcl? acl, out uint mode)
    {
        acl = null;
        mode = 0;
        if (value.Length < HeaderSize
            || BinaryPrimitives.ReadUInt32LittleEndian(value) != Version
            || (value.Length - HeaderSize) % EntrySize != 0
            || value.Length > LengthOf(MaxNamed))
        {
            return false;
        }

        var fixedOnes = new Dictionary<ushort, uint>();
        ImmutableArray<AclEntry>.Builder named = ImmutableArray.CreateBuilder<AclEntry>();
        (int Tag, long Id) last = (Tag: 0, Id: 0L);
        for (value = value[HeaderSize..]; !value.IsEmpty; value = value[EntrySize..])
        {
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(value);
            ushort permissions = BinaryPrimitives.ReadUInt16LittleEndian(value[2..]);
            uint id = BinaryPrimitives.ReadUInt32LittleEndian(value[4..]);
            bool isNamed = tag is (ushort)AclKind.User or (ushort)AclKind.Group;
            (int Tag, long Id) place = (Tag: (int)tag, Id: isNamed ? id : -1L);
            if (permissions > 7 || place.CompareTo(last) <= 0 || (isNamed && id == NoId)
                || !(isNamed || tag is UserObject or GroupObject or Mask or Other))
            {
                return false;
            }

            last = place;
            if (isNamed)
            {
                named.Add(new AclEntry((AclKind)tag, id, permissions));
            }
            else
            {
                fixedOnes.Add(tag, permissions);
            }
        }

        if (!fixedOnes.TryGetValue(UserObject, out uint owner)
            || !fixedOnes.TryGetValue(GroupObject, out uint group)
            || !fixedOnes.TryGetValue(Other, out uint other)
            || (!fixedOnes.TryGetValue(Mask, out uint mask) && named.Count > 0))
        {
            return false;
        }

        // Without named entries a mask still takes from the group what it does not hold.
        uint effective = named.Count > 0 ? mask : fixedOnes.ContainsKey(Mask) ? group & mask : group;
        acl = new PosixAcl(group, named.ToImmutable());
        mode = owner << 6 | effective << 3 | other;
        return true;
    }

    /// <summary>Returns the value of system.posix_acl_access, with the entries that follow from the mode.</summary>
    public byte[] ToBytes(uint mode)
    {
        byte[] bytes = new byte[LengthOf(Named.Length)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Version);
        Span<byte> at = bytes.AsSpan(HeaderSize);
        Put(ref at, UserObject, mode >> 6 & 7, NoId);
        PutNamed(ref at, AclKind.User);
        Put(ref at, GroupObject, Group, NoId);
        PutNamed(ref at, AclKind.Group);
        Put(ref at, Mask, mode >> 3 & 7, NoId);
        Put(ref at, Other, mode & 7, NoId);
        return bytes;
    }

    private void PutNamed(ref Span<byte> at, AclKind kind)
    {
        foreach (AclEntry entry in Named)
        {
            if (entry.Kind == kind)
            {
                Put(ref at, (ushort)kind, entry.Permissions, entry.Id);
            }
        }
    }

    private static void Put(ref Span<byte> at, ushort tag, uint permissions, uint id)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(at, tag);
        BinaryPrimitives.WriteUInt16LittleEndian(at[2..], (ushort)permissions);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], id);
        at = at[EntrySize..];
    }
}

/// <summary>
/// A further user or group in an ACL. <paramref name="Permissions"/> are rwx as 0 to 7, before the mask.
/// </summary>
internal readonly record struct AclEntry(AclKind Kind, uint Id, uint Permissions);

/// <summary>ACL_USER and ACL_GROUP of linux/posix_acl.h.</summary>
internal enum AclKind : ushort
{
    User = 0x02,
    Group = 0x08,
}
