using TpmFs.Simulation.Commands;
using K = TpmFs.Simulation.HandleKind;

namespace TpmFs.Simulation;

/// <summary>
/// The commands that the simulation has: attributes as libtpms reports them, handles and authorizations as Part 3 has
/// them.
/// </summary>
internal static class CommandTable
{
    public const uint EvictControl = 0x120;
    public const uint SetCommandCodeAuditStatus = 0x140;
    public const uint Startup = 0x144;
    public const uint Shutdown = 0x145;
    public const uint PolicyCommandCode = 0x16C;
    public const uint PolicyPcr = 0x17F;

    /// <summary>A vendor's command: takes an object, and a transient copy of it is the response's handle.</summary>
    public const uint VendorCopyObject = 0x20000001;

    private static readonly CommandDescriptor[] s_list =
    [
        new(0x04400120, [K.Provision, K.Object], 1, ObjectCommands.EvictControl),
        new(0x02C00121, [K.Hierarchy], 1, HierarchyCommands.HierarchyControl),
        new(0x02C00124, [K.Platform], 1, HierarchyCommands.ChangeEps),
        new(0x02C00125, [K.Platform], 1, HierarchyCommands.ChangePps),
        new(0x02C00126, [K.Clear], 1, HierarchyCommands.Clear),
        new(0x02400129, [K.HierarchyAuth], 1, HierarchyCommands.HierarchyChangeAuth) { CanDecrypt = true },
        new(0x12000131, [K.HierarchyOrNull], 1, KeyCommands.CreatePrimary) { CanDecrypt = true, CanEncrypt = true },
        new(0x04400133, [K.Endorsement, K.ObjectOrNull], 2, AuditCommands.GetCommandAuditDigest) { CanDecrypt = true,
            CanEncrypt = true },
        new(0x0300013E, [K.Object], 1, SequenceCommands.SequenceComplete) { CanDecrypt = true, CanEncrypt = true },
        new(0x02400140, [K.Provision], 1, AuditCommands.SetCommandCodeAuditStatus),
        new(0x00400143, [], 0, StartupCommands.SelfTest),
        new(0x00400144, [], 0, StartupCommands.Startup) { AllowsSessions = false },
        new(0x00400145, [], 0, StartupCommands.Shutdown),
        new(0x00400146, [], 0, RandomCommands.StirRandom) { CanDecrypt = true },
        new(0x02000153, [K.Object], 1, KeyCommands.Create) { CanDecrypt = true, CanEncrypt = true },
        new(0x12000157, [K.Object], 1, KeyCommands.Load) { CanDecrypt = true, CanEncrypt = true },
        new(0x1200015B, [K.Object], 1, SequenceCommands.HmacStart) { CanDecrypt = true },
        new(0x0200015C, [K.Object], 1, SequenceCommands.SequenceUpdate) { CanDecrypt = true },
        new(0x0200015D, [K.Object], 1, ObjectCommands.Sign) { CanDecrypt = true },
        new(0x10000161, [], 0, ContextCommands.ContextLoad) { AllowsSessions = false },
        new(0x02000162, [K.Context], 0, ContextCommands.ContextSave) { AllowsSessions = false },
        new(0x00000165, [], 0, ContextCommands.FlushContext) { AllowsSessions = false },
        new(0x10000167, [], 0, KeyCommands.LoadExternal) { CanDecrypt = true, CanEncrypt = true },
        new(0x0200016C, [K.PolicySession], 0, PolicyCommands.PolicyCommandCode),
        new(0x02000173, [K.Object], 0, ObjectCommands.ReadPublic) { CanEncrypt = true },
        new(0x14000176, [K.ObjectOrNull, K.EntityOrNull], 0, SessionCommands.StartAuthSession) { CanDecrypt = true,
            CanEncrypt = true },
        new(0x0000017A, [], 0, CapabilityCommands.GetCapability),
        new(0x0000017B, [], 0, RandomCommands.GetRandom) { CanEncrypt = true },
        new(0x0000017E, [], 0, PcrCommands.PcrRead),
        new(0x0200017F, [K.PolicySession], 0, PolicyCommands.PolicyPcr) { CanDecrypt = true },
        new(0x02000180, [K.PolicySession], 0, PolicyCommands.PolicyRestart),
        new(0x00000181, [], 0, RandomCommands.ReadClock),
        new(0x02400182, [K.PcrOrNull], 1, PcrCommands.PcrExtend),
        new(0x05400185, [K.PcrOrNull, K.Object], 2, SequenceCommands.EventSequenceComplete) { CanDecrypt = true },
        new(0x10000186, [], 0, SequenceCommands.HashSequenceStart) { CanDecrypt = true },
        new(0x02000189, [K.PolicySession], 0, PolicyCommands.PolicyGetDigest) { CanEncrypt = true },
        new(0x12000191, [K.ParentOrNull], 1, KeyCommands.CreateLoaded) { CanDecrypt = true, CanEncrypt = true },
        new(0x32000001, [K.Object], 0, ObjectCommands.VendorCopyObject),
    ];

    private static readonly Dictionary<uint, CommandDescriptor> s_byCode = s_list.ToDictionary(c => c.Code);

    /// <summary>In the order of TPM_CAP_COMMANDS: by code, the vendor's last.</summary>
    public static IReadOnlyList<CommandDescriptor> All { get; } = [.. s_list.OrderBy(c => c.Code)];

    public static CommandDescriptor? Find(uint code) => s_byCode.GetValueOrDefault(code);
}
