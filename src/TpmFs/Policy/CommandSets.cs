using System.Collections.Frozen;
using TpmFs.Tpm;
using static TpmFs.Tpm.TpmCc;

namespace TpmFs.Policy;

/// <summary>
/// Lists commands that belong together for an administrator. docs/commands.md lists every command with its sets.
/// </summary>
internal sealed record CommandSet(string Name, string Meaning, FrozenSet<TpmCc>? Commands)
{
    /// <summary>The set of all commands, a vendor's included: this set has no list.</summary>
    public static CommandSet All { get; } = new("@all", "every command, a vendor's own too", null);

    public static CommandSet Admin { get; } = new(
        "@admin",
        "what concerns the TPM as a whole: its hierarchies and their authorizations, its lockout, its clock and "
            + "timers, its firmware",
        FrozenSet.Create(
            Clear, ClearControl, HierarchyControl, HierarchyChangeAuth, SetPrimaryPolicy, ChangeEps, ChangePps,
            PpCommands, SetAlgorithmSet,
            SetCommandCodeAuditStatus, PcrAllocate, PcrSetAuthPolicy, DictionaryAttackLockReset,
            DictionaryAttackParameters, FieldUpgradeStart,
            FieldUpgradeData, ClockSet, ClockRateAdjust, NvGlobalWriteLock, NvUndefineSpaceSpecial, ActSetTimeout,
            SetCapability, ReadOnlyControl));

    /// <summary>
    /// The set of commands that no normal use of a TPM needs, and one use of which affects all users;
    /// docs/decisions/0014 gives the reasons.
    /// </summary>
    public static CommandSet Platform { get; } = new(
        "@platform",
        "what a machine's firmware does: it switches hierarchies on and off, sets the timers that reset the machine, "
            + "and changes seeds, banks of PCRs and firmware",
        FrozenSet.Create(
            HierarchyControl, ChangeEps, ChangePps, PpCommands, SetAlgorithmSet, PcrAllocate, PcrSetAuthPolicy,
            FieldUpgradeStart, FieldUpgradeData, ActSetTimeout, SetCapability, ReadOnlyControl));

    public static CommandSet Power { get; } =
        new("@power", "starting the TPM and shutting it down", FrozenSet.Create(Startup, Shutdown));

    public static CommandSet NvWriting { get; } = new(
        "@nv-write",
        "what changes the TPM's non-volatile memory: NV indices and persistent objects",
        FrozenSet.Create(
            NvDefineSpace, NvDefineSpace2, NvUndefineSpace, NvUndefineSpaceSpecial, TpmCc.NvWrite, NvIncrement,
            NvExtend, NvSetBits, NvWriteLock,
            NvReadLock, NvChangeAuth, NvGlobalWriteLock, EvictControl));

    public static CommandSet PcrWriting { get; } = new(
        "@pcr-write",
        "what changes PCRs, or who may",
        FrozenSet.Create(
            PcrExtend, PcrEvent, PcrReset, EventSequenceComplete, PcrAllocate, PcrSetAuthPolicy, PcrSetAuthValue));

    /// <summary>Gets the sets that have a name, in the order in which they are shown.</summary>
    public static IReadOnlyList<CommandSet> Known { get; } = [Admin, Platform, Power, NvWriting, PcrWriting, All];

    public bool Contains(TpmCc command) => Commands is null || Commands.Contains(command);

    public static CommandSet? Find(string name) => Known.FirstOrDefault(set => set.Name == name);
}
