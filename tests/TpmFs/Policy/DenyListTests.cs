using TpmFs.Policy;
using TpmFs.Tpm;

namespace TpmFs.Daemon.Tests.Policy;

public sealed class DenyListTests
{
    [Fact]
    public void Admin_is_what_concerns_the_TPM_as_a_whole_and_not_what_its_users_do()
    {
        TpmCc[] listed =
        [
            TpmCc.Clear, TpmCc.ClearControl, TpmCc.HierarchyControl, TpmCc.HierarchyChangeAuth, TpmCc.SetPrimaryPolicy,
            TpmCc.ChangeEps, TpmCc.ChangePps,
            TpmCc.PpCommands, TpmCc.SetAlgorithmSet, TpmCc.SetCommandCodeAuditStatus, TpmCc.PcrAllocate,
            TpmCc.PcrSetAuthPolicy,
            TpmCc.DictionaryAttackLockReset, TpmCc.DictionaryAttackParameters, TpmCc.FieldUpgradeStart,
            TpmCc.FieldUpgradeData, TpmCc.ClockSet,
            TpmCc.ClockRateAdjust, TpmCc.NvGlobalWriteLock, TpmCc.NvUndefineSpaceSpecial,
        ];
        Assert.All(listed, command => Assert.Contains(command, DenyList.Default));
        Assert.All(
            (TpmCc[])[TpmCc.EvictControl, TpmCc.NvDefineSpace, TpmCc.NvUndefineSpace, TpmCc.CreatePrimary],
            command => Assert.DoesNotContain(command, DenyList.Default));
        Assert.Contains(TpmCc.Startup, DenyList.Default);
        Assert.Contains(TpmCc.Shutdown, DenyList.Default);
    }

    [Fact]
    public void The_root_refuses_what_firmware_does_and_nothing_that_an_administrator_is_told_to_type()
    {
        DenyList root = Limits.OfRoot.Denied!;
        Assert.All(
            (TpmCc[])[TpmCc.HierarchyControl, TpmCc.ChangeEps, TpmCc.ChangePps, TpmCc.PcrAllocate],
            command => Assert.Contains(command, root));
        Assert.All(
            (TpmCc[])[TpmCc.DictionaryAttackLockReset, TpmCc.DictionaryAttackParameters, TpmCc.HierarchyChangeAuth,
                TpmCc.Clear, TpmCc.ClearControl, TpmCc.Startup, TpmCc.EvictControl, TpmCc.NvDefineSpace],
            command => Assert.DoesNotContain(command, root));
        Assert.Subset(CommandSet.Admin.Commands!.ToHashSet(), CommandSet.Platform.Commands!.ToHashSet());
    }

    [Theory]
    [InlineData("@all", "-TPM2_GetRandom", "@all -TPM2_GetRandom", TpmCc.GetRandom, false)]
    [InlineData("@all", "-TPM2_GetRandom", "@all -TPM2_GetRandom", TpmCc.VendorTcgTest, true)]
    [InlineData("@all -TPM2_GetRandom", "+TPM2_GetRandom", "@all", TpmCc.GetRandom, true)]
    [InlineData("@admin", "-0x126", "@admin -TPM2_Clear", TpmCc.Clear, false)]
    [InlineData("@admin -TPM2_Clear", "-@admin", "", TpmCc.ClearControl, false)]
    [InlineData("@admin TPM2_Clear", "", "@admin", TpmCc.Clear, true)]
    [InlineData("TPM2_Clear", "+@admin", "@admin", TpmCc.Clear, true)]
    [InlineData("0x20000001 tpm_cc_quote", "+@power", "@power TPM2_Quote 0x20000001", TpmCc.Quote, true)]
    [InlineData(
        "@admin @nv-write", "-@admin", "@nv-write -TPM2_NV_UndefineSpaceSpecial -TPM2_NV_GlobalWriteLock",
        TpmCc.NvGlobalWriteLock, false)]
    [InlineData("@all", "-@all", "", TpmCc.GetRandom, false)]
    public void Lists_change_and_are_read_again_as_they_are_shown(
        string first, string then, string shown, TpmCc command, bool isDenied)
    {
        DenyList list = Read(DenyList.Nothing, first);
        list = then.Length == 0 ? list : Read(list, then);

        Assert.Equal(shown, string.Join(' ', list.Lines));
        Assert.Equal(isDenied, list.Contains(command));
        Assert.Equal(list, Read(DenyList.Default, string.Join(' ', list.Lines)));
    }

    [Fact]
    public void Every_set_is_of_commands_that_have_names()
    {
        foreach (CommandSet? set in CommandSet.Known.Where(set => set.Commands is not null))
        {
            Assert.All(
                set.Commands!, command => Assert.StartsWith("TPM2_", command.ToName(), StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_documented_table_is_the_one_that_holds()
    {
        string path = Path.Combine(Repository.Folder, "docs/commands.md");
        IEnumerable<string> rows = Enum.GetValues<TpmCc>().Select(command =>
            $"| `{command.ToName()}` | 0x{(uint)command:X} | {SetsWith(command)} |");
        Assert.Equal(
            rows,
            File.ReadLines(path)
                .Where(
                    line => line.StartsWith("| `TPM2_", StringComparison.Ordinal)
                        || line.StartsWith("| `0x", StringComparison.Ordinal)));
    }

    private static string SetsWith(TpmCc command) => string.Join(' ', CommandSet.Known
        .Where(set => set.Commands is not null && set.Contains(command)).Select(set => $"`{set.Name}`"));

    private static DenyList Read(DenyList current, string lines)
    {
        Assert.True(
            DenyList.TryRead(lines.Split(' '), current, goesOn: false, out DenyList? list, out _, out string? wrong),
            wrong);
        return list;
    }
}
