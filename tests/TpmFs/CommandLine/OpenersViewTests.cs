using TpmFs.CommandLine;

namespace TpmFs.Daemon.Tests.CommandLine;

/// <summary>'tpmfs openers' in a file, and on terminals.</summary>
public sealed class OpenersViewTests
{
    private const string Longest =
        "9 1000 15372 tpm2_createprim rm0 - 3 12 417 5 running 130 TPM2_CreatePrimary 1 0 file";

    private const string Shortest = "12 0 7 sh rm0 - 0 0 1 0 idle 0 - 0 0 dbus";

    [Fact]
    public void In_a_file_every_column_is_there_whole()
    {
        string[] lines = Show(Terminal.Unlimited, ("domains/a-web-server-of-a-large-shop", Longest));
        Assert.Equal(
            "id  uid   pid    command          node                                      objects  sessions  commands  "
                + "age  state    for    TPM command         reads  unread  door",
            lines[0]);
        Assert.Contains("domains/a-web-server-of-a-large-shop/rm0  3 ", lines[1], StringComparison.Ordinal);
        Assert.Contains("TPM2_CreatePrimary", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_fits_80_columns_and_says_who_has_what_and_waits_for_what()
    {
        string[] lines = Show(
            new Terminal(80, HasColours: false), ("domains/web", Longest), ("users/1000", Shortest));
        Assert.Equal(
            """
            id uid  pid   command         node     obj sess cmds state   for   TPM command
            9  1000 15372 tpm2_createprim dom…/rm0 3   12   417  running 130 s CreatePrimary
            12 0    7     sh              use…/rm0 0   0    1    idle    0 s   -
            """,
            string.Join('\n', lines));
        Assert.All(lines, line => Assert.InRange(line.Length, 1, 80));
    }

    [Theory]
    [InlineData(80)]
    [InlineData(100)]
    [InlineData(200)]
    public void A_long_name_is_cut_so_that_its_node_stays(int width)
    {
        string[] lines = Show(
            new Terminal(width, HasColours: false), ("domains/a-web-server-of-a-large-shop-in-a-large-town", Longest));
        Assert.All(lines, line => Assert.InRange(line.Length, 1, width));
        Assert.Contains("/rm0 ", lines[1], StringComparison.Ordinal);
        Assert.Contains("15372", lines[1], StringComparison.Ordinal);
        Assert.Equal(width >= 200, lines[0].EndsWith(" door", StringComparison.Ordinal));
    }

    private static string[] Show(Terminal terminal, params (string Domain, string Line)[] openers) =>
        [.. OpenersView.Show(openers.Select(of => OpenerLine.Read(of.Domain, of.Line)!), terminal)];
}
