using System.Collections.Frozen;
using System.Globalization;

namespace TpmFs.Tpm;

/// <summary>
/// Spells command codes as the specification does ("TPM2_NV_UndefineSpaceSpecial"), for logs and configuration.
/// </summary>
public static class TpmCcNames
{
    private const string CommandPrefix = "TPM2_";
    private const string ConstantPrefix = "TPM_CC_";

    /// <summary>The bits that a TPM_CC may have set: the index and the vendor bit (Part 2, 6.5.1).</summary>
    private const uint DefinedBits = 0x2000_FFFF;

    /// <summary>
    /// Returns the specification's name, or the number in hexadecimal ("0x20000001") where it has none.
    /// </summary>
    public static string ToName(this TpmCc code) =>
        s_names.TryGetValue(code, out string? name) ? CommandPrefix + name : $"0x{(uint)code:X}";

    /// <summary>
    /// Reads "TPM2_Clear", "TPM_CC_Clear" or "0x126", in any case. Returns false for anything else, for a name that the
    /// specification does not have, and for a number that no command can have.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TpmCc code)
    {
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            bool read = uint.TryParse(
                text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value);
            code = (TpmCc)value;
            return read && (value & ~DefinedBits) == 0;
        }

        ReadOnlySpan<char> name =
            text.StartsWith(CommandPrefix, StringComparison.OrdinalIgnoreCase) ? text[CommandPrefix.Length..]
            : text.StartsWith(ConstantPrefix, StringComparison.OrdinalIgnoreCase) ? text[ConstantPrefix.Length..]
            : default;
        return s_codes.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out code);
    }

    private static readonly FrozenDictionary<TpmCc, string> s_names = new Dictionary<TpmCc, string>
    {
        [TpmCc.NvUndefineSpaceSpecial] = "NV_UndefineSpaceSpecial",
        [TpmCc.EvictControl] = "EvictControl",
        [TpmCc.HierarchyControl] = "HierarchyControl",
        [TpmCc.NvUndefineSpace] = "NV_UndefineSpace",
        [TpmCc.ChangeEps] = "ChangeEPS",
        [TpmCc.ChangePps] = "ChangePPS",
        [TpmCc.Clear] = "Clear",
        [TpmCc.ClearControl] = "ClearControl",
        [TpmCc.ClockSet] = "ClockSet",
        [TpmCc.HierarchyChangeAuth] = "HierarchyChangeAuth",
        [TpmCc.NvDefineSpace] = "NV_DefineSpace",
        [TpmCc.PcrAllocate] = "PCR_Allocate",
        [TpmCc.PcrSetAuthPolicy] = "PCR_SetAuthPolicy",
        [TpmCc.PpCommands] = "PP_Commands",
        [TpmCc.SetPrimaryPolicy] = "SetPrimaryPolicy",
        [TpmCc.FieldUpgradeStart] = "FieldUpgradeStart",
        [TpmCc.ClockRateAdjust] = "ClockRateAdjust",
        [TpmCc.CreatePrimary] = "CreatePrimary",
        [TpmCc.NvGlobalWriteLock] = "NV_GlobalWriteLock",
        [TpmCc.GetCommandAuditDigest] = "GetCommandAuditDigest",
        [TpmCc.NvIncrement] = "NV_Increment",
        [TpmCc.NvSetBits] = "NV_SetBits",
        [TpmCc.NvExtend] = "NV_Extend",
        [TpmCc.NvWrite] = "NV_Write",
        [TpmCc.NvWriteLock] = "NV_WriteLock",
        [TpmCc.DictionaryAttackLockReset] = "DictionaryAttackLockReset",
        [TpmCc.DictionaryAttackParameters] = "DictionaryAttackParameters",
        [TpmCc.NvChangeAuth] = "NV_ChangeAuth",
        [TpmCc.PcrEvent] = "PCR_Event",
        [TpmCc.PcrReset] = "PCR_Reset",
        [TpmCc.SequenceComplete] = "SequenceComplete",
        [TpmCc.SetAlgorithmSet] = "SetAlgorithmSet",
        [TpmCc.SetCommandCodeAuditStatus] = "SetCommandCodeAuditStatus",
        [TpmCc.FieldUpgradeData] = "FieldUpgradeData",
        [TpmCc.IncrementalSelfTest] = "IncrementalSelfTest",
        [TpmCc.SelfTest] = "SelfTest",
        [TpmCc.Startup] = "Startup",
        [TpmCc.Shutdown] = "Shutdown",
        [TpmCc.StirRandom] = "StirRandom",
        [TpmCc.ActivateCredential] = "ActivateCredential",
        [TpmCc.Certify] = "Certify",
        [TpmCc.PolicyNv] = "PolicyNV",
        [TpmCc.CertifyCreation] = "CertifyCreation",
        [TpmCc.Duplicate] = "Duplicate",
        [TpmCc.GetTime] = "GetTime",
        [TpmCc.GetSessionAuditDigest] = "GetSessionAuditDigest",
        [TpmCc.NvRead] = "NV_Read",
        [TpmCc.NvReadLock] = "NV_ReadLock",
        [TpmCc.ObjectChangeAuth] = "ObjectChangeAuth",
        [TpmCc.PolicySecret] = "PolicySecret",
        [TpmCc.Rewrap] = "Rewrap",
        [TpmCc.Create] = "Create",
        [TpmCc.EcdhZGen] = "ECDH_ZGen",
        [TpmCc.Hmac] = "HMAC",
        [TpmCc.Import] = "Import",
        [TpmCc.Load] = "Load",
        [TpmCc.Quote] = "Quote",
        [TpmCc.RsaDecrypt] = "RSA_Decrypt",
        [TpmCc.HmacStart] = "HMAC_Start",
        [TpmCc.SequenceUpdate] = "SequenceUpdate",
        [TpmCc.Sign] = "Sign",
        [TpmCc.Unseal] = "Unseal",
        [TpmCc.PolicySigned] = "PolicySigned",
        [TpmCc.ContextLoad] = "ContextLoad",
        [TpmCc.ContextSave] = "ContextSave",
        [TpmCc.EcdhKeyGen] = "ECDH_KeyGen",
        [TpmCc.EncryptDecrypt] = "EncryptDecrypt",
        [TpmCc.FlushContext] = "FlushContext",
        [TpmCc.LoadExternal] = "LoadExternal",
        [TpmCc.MakeCredential] = "MakeCredential",
        [TpmCc.NvReadPublic] = "NV_ReadPublic",
        [TpmCc.PolicyAuthorize] = "PolicyAuthorize",
        [TpmCc.PolicyAuthValue] = "PolicyAuthValue",
        [TpmCc.PolicyCommandCode] = "PolicyCommandCode",
        [TpmCc.PolicyCounterTimer] = "PolicyCounterTimer",
        [TpmCc.PolicyCpHash] = "PolicyCpHash",
        [TpmCc.PolicyLocality] = "PolicyLocality",
        [TpmCc.PolicyNameHash] = "PolicyNameHash",
        [TpmCc.PolicyOr] = "PolicyOR",
        [TpmCc.PolicyTicket] = "PolicyTicket",
        [TpmCc.ReadPublic] = "ReadPublic",
        [TpmCc.RsaEncrypt] = "RSA_Encrypt",
        [TpmCc.StartAuthSession] = "StartAuthSession",
        [TpmCc.VerifySignature] = "VerifySignature",
        [TpmCc.EccParameters] = "ECC_Parameters",
        [TpmCc.FirmwareRead] = "FirmwareRead",
        [TpmCc.GetCapability] = "GetCapability",
        [TpmCc.GetRandom] = "GetRandom",
        [TpmCc.GetTestResult] = "GetTestResult",
        [TpmCc.Hash] = "Hash",
        [TpmCc.PcrRead] = "PCR_Read",
        [TpmCc.PolicyPcr] = "PolicyPCR",
        [TpmCc.PolicyRestart] = "PolicyRestart",
        [TpmCc.ReadClock] = "ReadClock",
        [TpmCc.PcrExtend] = "PCR_Extend",
        [TpmCc.PcrSetAuthValue] = "PCR_SetAuthValue",
        [TpmCc.NvCertify] = "NV_Certify",
        [TpmCc.EventSequenceComplete] = "EventSequenceComplete",
        [TpmCc.HashSequenceStart] = "HashSequenceStart",
        [TpmCc.PolicyPhysicalPresence] = "PolicyPhysicalPresence",
        [TpmCc.PolicyDuplicationSelect] = "PolicyDuplicationSelect",
        [TpmCc.PolicyGetDigest] = "PolicyGetDigest",
        [TpmCc.TestParms] = "TestParms",
        [TpmCc.Commit] = "Commit",
        [TpmCc.PolicyPassword] = "PolicyPassword",
        [TpmCc.ZGen2Phase] = "ZGen_2Phase",
        [TpmCc.EcEphemeral] = "EC_Ephemeral",
        [TpmCc.PolicyNvWritten] = "PolicyNvWritten",
        [TpmCc.PolicyTemplate] = "PolicyTemplate",
        [TpmCc.CreateLoaded] = "CreateLoaded",
        [TpmCc.PolicyAuthorizeNv] = "PolicyAuthorizeNV",
        [TpmCc.EncryptDecrypt2] = "EncryptDecrypt2",
        [TpmCc.AcGetCapability] = "AC_GetCapability",
        [TpmCc.AcSend] = "AC_Send",
        [TpmCc.PolicyAcSendSelect] = "Policy_AC_SendSelect",
        [TpmCc.CertifyX509] = "CertifyX509",
        [TpmCc.ActSetTimeout] = "ACT_SetTimeout",
        [TpmCc.EccEncrypt] = "ECC_Encrypt",
        [TpmCc.EccDecrypt] = "ECC_Decrypt",
        [TpmCc.PolicyCapability] = "PolicyCapability",
        [TpmCc.PolicyParameters] = "PolicyParameters",
        [TpmCc.NvDefineSpace2] = "NV_DefineSpace2",
        [TpmCc.NvReadPublic2] = "NV_ReadPublic2",
        [TpmCc.SetCapability] = "SetCapability",
        [TpmCc.ReadOnlyControl] = "ReadOnlyControl",
        [TpmCc.PolicyTransportSpdm] = "PolicyTransportSPDM",
        [TpmCc.VendorTcgTest] = "Vendor_TCG_Test",
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, TpmCc> s_codes = s_names
        .Select(pair => KeyValuePair.Create(pair.Value, pair.Key))
        .Append(KeyValuePair.Create("MAC", TpmCc.Hmac)) // Revision 1.59 calls the same two codes both names.
        .Append(KeyValuePair.Create("MAC_Start", TpmCc.HmacStart))
        .ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
}
