namespace TpmFs.Vm.Tests.Boot;

/// <summary>What an administrator finds in the journal.</summary>
[Collection(InstalledDebianCollection.Name)]
public sealed class JournalTests(InstalledDebian debian)
{
    private readonly DebianGuest _machine = debian.Machine;

    [Fact]
    public void A_denied_command_is_found_by_its_name_and_by_its_user()
    {
        string begin = _machine.Now();
        string uid = _machine.Ask($"id --user {InstalledDebian.Member}");
        _machine.Run($"mkdir /run/tpmfs/users/{uid}").Succeeded();
        try
        {
            Assert.NotEqual(
                0, _machine.RunAs(InstalledDebian.Member, "tpm2_clear --tcti=device:/run/tpmfs/self/rm0").ExitCode);
        }
        finally
        {
            _machine.Run($"rmdir /run/tpmfs/users/{uid}").Succeeded();
        }

        string[] matches = ["TPM_CC=TPM2_Clear", $"TPMFS_UID={uid} TPM_RC=0x000B0143",
            $"TPM_CC=TPM2_Clear TPMFS_DOMAIN=users/{uid}"];
        string[] found = [.. matches.Select(match => Find(begin, match))];
        Assert.Contains($"refuses TPM2_Clear to opener", found[0], StringComparison.Ordinal);
        Assert.All(found, text => Assert.Equal(found[0], text));
        Assert.Contains(
            "A command was refused", Find(begin, "TPM_CC=TPM2_Clear", "--catalog --output=short"),
            StringComparison.Ordinal);
        Assert.Empty(_machine.Ask(Search(begin, "TPM_CC=TPM2_Clear TPMFS_UID=0")));
    }

    [Fact]
    public void A_change_of_a_limit_is_found_by_who_made_it()
    {
        string begin = _machine.Now();
        _machine.Run("weight=$(cat /run/tpmfs/weight); echo 77 >/run/tpmfs/weight; echo $weight >/run/tpmfs/weight")
            .Succeeded();
        Assert.Contains("'77' written", Find(begin, "TPMFS_UID=0 TPMFS_NODE=weight"), StringComparison.Ordinal);
    }

    private static string Search(string since, string match, string options = "--output=cat") =>
        $"journalctl --quiet --no-pager --since={since} {options} {match}";

    /// <summary>The daemon logs behind its clients' backs: what they did may not be there yet.</summary>
    private string Find(string since, string match, string options = "--output=cat")
    {
        string search = Search(since, match, options);
        _machine.Await($"{search} | grep --quiet .");
        return _machine.Ask(search);
    }
}
