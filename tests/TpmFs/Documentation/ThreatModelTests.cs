using TpmFs.Policy;
using TpmFs.Tpm;

namespace TpmFs.Daemon.Tests.Documentation;

/// <summary>threat-model.md: what the root lets through is what an administrator reads there.</summary>
public sealed class ThreatModelTests
{
    private const string Heading = "### Commands that concern all users";

    /// <summary>
    /// The document named TPM2_Clear alone, of the commands by which a member of the group changes something for all
    /// users of the TPM.
    /// </summary>
    [Fact]
    public void Each_command_that_concerns_all_users_and_that_the_root_lets_through_is_named()
    {
        string document = File.ReadAllText(Path.Combine(Repository.Folder, "docs/threat-model.md"));
        int start = document.IndexOf(Heading, StringComparison.Ordinal);
        Assert.True(start >= 0, Heading);
        string[] named = document[start..document.IndexOf("\n## ", start, StringComparison.Ordinal)]
            .Split([' ', ',', '|', ';', '.'], StringSplitOptions.RemoveEmptyEntries);
        IEnumerable<TpmCc> concerning = CommandSet.Known.Where(set => set.Commands is not null)
            .SelectMany(set => set.Commands!)
            .Where(command => !DenyList.DefaultOfRoot.Contains(command));

        Assert.All(concerning, command => Assert.Contains(command.ToName(), named));
    }
}
