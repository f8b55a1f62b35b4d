using TpmFs.Rm.Ledger;
using TpmFs.Tpm;
using TpmFs.Tpm.Wire;

namespace TpmFs.Rm.Commands;

/// <summary>
/// Keeps a space from the lockout hierarchy that is refused all that the hierarchy's authorization is for.
/// </summary>
/// <remarks>
/// One wrong authorization keeps everybody, root too, from the hierarchy for the TPM's recovery time (Part 1,
/// "Dictionary Attack Protection"). The authorization may be that of any command which takes one, such as
/// TPM2_PolicySecret, or of a session that is bound to the hierarchy.
/// </remarks>
internal static class LockoutRule
{
    /// <summary>What the hierarchy's authorization is for.</summary>
    private static readonly TpmCc[] s_commands =
    [
        TpmCc.Clear, TpmCc.ClearControl, TpmCc.DictionaryAttackLockReset, TpmCc.DictionaryAttackParameters,
        TpmCc.HierarchyChangeAuth, TpmCc.SetPrimaryPolicy,
    ];

    /// <summary>Returns true when a command names the hierarchy, and its space may not.</summary>
    public static bool Refuses(SpaceRecord space, ReadOnlySpan<byte> bytes, in TpmCommand command)
    {
        for (int i = 0; i < command.HandleCount; i++)
        {
            if (TpmCommand.Handle(bytes, i).Value == (uint)TpmRh.Lockout)
            {
                return Array.TrueForAll(s_commands, space.Owner.Group.Denied.Contains);
            }
        }

        return false;
    }
}
