namespace TpmFs.Simulation;

/// <summary>
/// Handles and their ranges (TPM_HT, TPM_RH, TPM_HC: Part 2, 7), as the reference implementation has them.
/// </summary>
internal static class Handles
{
    public const uint Pcr = 0x00;
    public const uint NvIndex = 0x01;
    public const uint HmacSession = 0x02;
    public const uint PolicySession = 0x03;
    public const uint Permanent = 0x40;
    public const uint Transient = 0x80;
    public const uint Persistent = 0x81;

    public const uint Owner = 0x40000001;
    public const uint Null = 0x40000007;
    public const uint Unassigned = 0x40000008;
    public const uint Password = 0x40000009;
    public const uint LockoutHandle = 0x4000000A;
    public const uint Endorsement = 0x4000000B;
    public const uint Platform = 0x4000000C;
    public const uint PlatformNv = 0x4000000D;

    public const uint FirstTransient = 0x80000000;
    public const uint LastTransient = 0x80FFFFFE;
    public const uint FirstPlatformPersistent = 0x81800000;
    public const uint IndexMask = 0x00FFFFFF;

    public static uint TypeOf(uint handle) => handle >> 24;

    public static uint IndexOf(uint handle) => handle & IndexMask;

    public static bool IsTransient(uint handle) => TypeOf(handle) == Transient;

    public static bool IsPersistent(uint handle) => TypeOf(handle) == Persistent;

    public static bool IsSession(uint handle) => TypeOf(handle) is HmacSession or PolicySession;

    public static bool IsHierarchy(uint handle) => handle is Owner or Endorsement or Platform;
}

/// <summary>The handles that a field of the handle area may hold (the TPMI_ types of Part 2, 9).</summary>
internal enum HandleKind
{
    Object,
    ObjectOrNull,
    EntityOrNull,
    ParentOrNull,
    Hierarchy,
    HierarchyOrNull,
    HierarchyAuth,
    Provision,
    Clear,
    Platform,
    Endorsement,
    PolicySession,
    Context,
    PcrOrNull,
}

internal static class HandleKinds
{
    /// <summary>True when the field may hold the handle.</summary>
    public static bool Allows(this HandleKind kind, uint handle, HandleLimits limits = default) => kind switch
    {
        HandleKind.Object => limits.IsObject(handle),
        HandleKind.ObjectOrNull => limits.IsObject(handle) || handle == Handles.Null,
        HandleKind.EntityOrNull =>
            limits.IsObject(handle) || Handles.IsHierarchy(handle) || handle is Handles.LockoutHandle or Handles.Null
            || IsPcr(handle) || Handles.TypeOf(handle) == Handles.NvIndex,
        HandleKind.ParentOrNull => limits.IsObject(handle) || Handles.IsHierarchy(handle) || handle == Handles.Null,
        HandleKind.Hierarchy => Handles.IsHierarchy(handle),
        HandleKind.HierarchyOrNull => Handles.IsHierarchy(handle) || handle == Handles.Null,
        HandleKind.HierarchyAuth => Handles.IsHierarchy(handle) || handle == Handles.LockoutHandle,
        HandleKind.Provision => handle is Handles.Owner or Handles.Platform,
        HandleKind.Clear => handle is Handles.LockoutHandle or Handles.Platform,
        HandleKind.Platform => handle == Handles.Platform,
        HandleKind.Endorsement => handle == Handles.Endorsement,
        HandleKind.PolicySession => Handles.TypeOf(handle) == Handles.PolicySession && limits.IsSession(handle),
        HandleKind.Context => limits.IsSession(handle) || limits.IsTransient(handle),
        HandleKind.PcrOrNull => IsPcr(handle) || handle == Handles.Null,
        _ => false,
    };

    private static bool IsPcr(uint handle) => handle < PcrBank.Count;
}

/// <summary>
/// The largest transient handle and session index that a TPM can give; the reference implementation takes a larger one
/// for no handle at all.
/// </summary>
internal readonly record struct HandleLimits(uint LastTransient, uint LastSession)
{
    public bool IsTransient(uint handle) => Handles.IsTransient(handle) && handle <= LastTransient;

    public bool IsObject(uint handle) => IsTransient(handle) || Handles.IsPersistent(handle);

    public bool IsSession(uint handle) => Handles.IsSession(handle) && Handles.IndexOf(handle) <= LastSession;
}
