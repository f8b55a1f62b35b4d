using TpmFs.CommandLine;

namespace TpmFs.Daemon.Tests.CommandLine;

/// <summary>Tests the picture of a status file that people get.</summary>
public sealed class StatusViewTests
{
    private const string Long = "domains/with-a-name-that-is-rather-long";

    private static readonly string s_text = $"""
        TPM 0      device:/dev/tpm0
                   NOT THERE; tpmfs tries it again and again: there is no /dev/tpm0. Is there a TPM, and is it on?
        power      SUSPENDED: commands are put off
        up         0.2 s
        LOCKOUT    3 commands were refused because too many authorizations failed; see 'auth fail' below

        domain                                   open  obj  sess  cmds  per cmd   busy  waited  denied  auth fail
        root                                        0    0     0    15     1.00  0.0 s   0.0 s       0          0
        {Long}      1    2     3     4     2.00  0.5 s   0.1 s       0          0

        """;

    [Fact]
    public void In_a_file_it_is_the_text_as_it_is() =>
        Assert.Equal(s_text.TrimEnd('\n').Split('\n'), StatusView.Show(s_text, new Terminal(null, false)));

    [Fact]
    public void On_a_terminal_of_80_columns_words_are_folded_and_domains_names_cut_and_no_number_is()
    {
        string[] shown = [.. StatusView.Show(s_text, new Terminal(80, false))];
        Assert.All(shown, line => Assert.InRange(line.Length, 0, 80));
        Assert.StartsWith("           ", shown[2], StringComparison.Ordinal);
        Assert.Matches(
            @"^domains/with.*…  +1    2     3     4     2\.00  0\.5 s   0\.1 s       0          0$", shown[^1]);
        Assert.Matches(@"^root  +0    0     0    15     1\.00 ", shown[^2]);
    }

    [Theory]
    [InlineData("domains/web", 11, "domains/web")]
    [InlineData("domains/web-server", 14, "domains/web-s…")]
    [InlineData("domains/web", 9, "…/web")]
    [InlineData("domains/web-server", 9, "…/web-se…")]
    [InlineData("users/1500", 9, "…/1500")]
    [InlineData("root", 8, "root")]
    public void A_domain_can_be_told_from_others_where_there_is_little_room(string domain, int room, string shown) =>
        Assert.Equal(shown, Terminal.Cut(domain, room));

    [Fact]
    public void Warnings_are_the_lines_that_say_what_keeps_commands_from_being_carried_out() => Assert.Equal(
        ["TPM 0      NOT THERE", "power      SUSPENDED"],
        StatusView.Warnings(s_text).Select(line => line[..20]));

    [Fact]
    public void Colours_are_where_something_is_wrong_and_on_the_headings()
    {
        string[] shown = [.. StatusView.Show(s_text, new Terminal(120, true))];
        Assert.Equal(
            ["NOT THERE", "SUSPENDED", "LOCKOUT", "domain"],
            shown.Where(line => line.Contains('\x1b', StringComparison.Ordinal))
                .Select(line => Array.Find(["NOT THERE", "SUSPENDED", "LOCKOUT", "domain"],
                    word => line.Contains(word, StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(false, "xterm", null, true)]
    [InlineData(true, "xterm", null, false)]
    [InlineData(false, "dumb", null, false)]
    [InlineData(false, null, null, false)]
    [InlineData(false, "xterm", "1", false)]
    public void Colours_are_for_terminals_that_have_them_and_people_who_want_them(
        bool isRedirected, string? term, string? noColor, bool hasColours) =>
        Assert.Equal(
            hasColours,
            Terminal.Of(isRedirected, name => name == "TERM" ? term : name == "NO_COLOR" ? noColor : null, () => 80)
                .HasColours);
}
