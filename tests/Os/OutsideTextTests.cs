namespace TpmFs.Os.Tests;

/// <summary>Text of somebody else's choosing, where it is shown.</summary>
public sealed class OutsideTextTests
{
    [Theory]
    [InlineData("plain text, [red]", "plain text, [red]")]
    [InlineData("Ärger 日本 \U0001F600", "Ärger 日本 \U0001F600")]
    [InlineData("a\nb\rc\td\0", "a\\x0ab\\x0dc\\x09d\\x00")]
    [InlineData("\u001b]0;title\u0007", "\\x1b]0;title\\x07")]
    [InlineData("\u007f\u0085\u009b31m", "\\x7f\\x85\\x9b31m")]
    [InlineData("a\u202eb\u2066c\u200bd", "a\\u202eb\\u2066c\\u200bd")]
    [InlineData("a\u2028b\u2029c\ufeff", "a\\u2028b\\u2029c\\ufeff")]
    [InlineData("\U000E0041", "\\U000e0041")]
    public void A_line_shows_what_would_control_and_stays_a_line(string text, string shown) =>
        Assert.Equal(shown, OutsideText.Line(text));

    [Fact]
    public void Half_a_surrogate_pair_is_shown_as_a_number()
    {
        Assert.Equal("a\\ud83d", OutsideText.Line("a\ud83d"));
        Assert.Equal("\\ude00b", OutsideText.Line("\ude00b"));
    }

    [Fact]
    public void Lines_stay_lines_and_nothing_else_does() =>
        Assert.Equal("a\nb\\x0d\\x1b[2J\n", OutsideText.Lines("a\nb\r\u001b[2J\n"));

    [Theory]
    [InlineData("x 1\n9", "x_1_9")]
    [InlineData("", "?")]
    [InlineData("ä\u001b", "__")]
    [InlineData("12345678", "12345")]
    public void A_word_has_no_blank_and_an_end(string text, string word) =>
        Assert.Equal(word, OutsideText.Word(text, 5));

    [Theory]
    [InlineData("a \"TPM\"", "a \\\"TPM\\\"")]
    [InlineData("a\\", "a\\\\")]
    [InlineData("a\"} 1\nb", "a\\\"} 1\\\\x0ab")]
    public void A_label_does_not_end_early(string text, string label) => Assert.Equal(label, OutsideText.Label(text));

    [Fact]
    public void A_cut_text_says_so_and_is_not_cut_within_a_character()
    {
        Assert.Equal("abc", OutsideText.Cut("abc", 3));
        Assert.Equal("abc… (4 characters)", OutsideText.Cut("abcd", 3));
        Assert.Equal("ab… (5 characters)", OutsideText.Cut("ab\U0001F600d", 3));
    }
}
