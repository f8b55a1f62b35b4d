namespace TpmFs.Rm.Tests.Simulation;

/// <summary>Handles and their ranges (TPM_HT, TPM_RH, TPM_HC: Part 2, 7), as the reference implementation has them.</summary>
internal static class Handles
{
    public const uint Pcr = 0x00;
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
    public const uint FirstPlatformPersistent = 0x81800000;
    public const uint IndexMask = 0x00FFFFFF;

    public static uint TypeOf(uint handle) => handle >> 24;

    public static uint IndexOf(uint handle) => handle & IndexMask;

    public static bool IsTransient(uint handle) => TypeOf(handle) == Transient && IndexOf(handle) != IndexMask;

    public static bool IsPersistent(uint handle) => TypeOf(handle) == Persistent;

    public static bool IsSession(uint handle) => TypeOf(handle) is HmacSession or PolicySession;

    public static bool IsHierarchy(uint handle) => handle is Owner or Endorsement or Platform;
}

/// <summary>What a field of the handle area may hold (the TPMI_ types of Part 2, 9).</summary>
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
    public static bool Allows(this HandleKind kind, uint handle, int pcrs) => kind switch
    {
        HandleKind.Object => IsObject(handle),
        HandleKind.ObjectOrNull => IsObject(handle) || handle == Handles.Null,
        HandleKind.EntityOrNull => IsObject(handle) || Handles.IsHierarchy(handle) || handle is Handles.LockoutHandle or Handles.Null || handle < pcrs,
        HandleKind.ParentOrNull => IsObject(handle) || Handles.IsHierarchy(handle) || handle == Handles.Null,
        HandleKind.Hierarchy => Handles.IsHierarchy(handle),
        HandleKind.HierarchyOrNull => Handles.IsHierarchy(handle) || handle == Handles.Null,
        HandleKind.HierarchyAuth => Handles.IsHierarchy(handle) || handle == Handles.LockoutHandle,
        HandleKind.Provision => handle is Handles.Owner or Handles.Platform,
        HandleKind.Clear => handle is Handles.LockoutHandle or Handles.Platform,
        HandleKind.Platform => handle == Handles.Platform,
        HandleKind.Endorsement => handle == Handles.Endorsement,
        HandleKind.PolicySession => Handles.TypeOf(handle) == Handles.PolicySession && Handles.IndexOf(handle) != Handles.IndexMask,
        HandleKind.Context => Handles.IsTransient(handle) || (Handles.IsSession(handle) && Handles.IndexOf(handle) != Handles.IndexMask),
        HandleKind.PcrOrNull => handle < pcrs || handle == Handles.Null,
        _ => false,
    };

    private static bool IsObject(uint handle) => Handles.IsTransient(handle) || Handles.IsPersistent(handle);
}
