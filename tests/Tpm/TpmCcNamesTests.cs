using System.Globalization;
using System.Text.RegularExpressions;
using TpmFs.Tpm.Tests.Harness;

namespace TpmFs.Tpm.Tests;

public sealed partial class TpmCcNamesTests
{
    [Theory]
    [InlineData("TPM2_Clear", TpmCc.Clear)]
    [InlineData("tpm2_clear", TpmCc.Clear)]
    [InlineData("TPM2_NV_UndefineSpaceSpecial", TpmCc.NvUndefineSpaceSpecial)]
    [InlineData("TPM_CC_Policy_AC_SendSelect", TpmCc.PolicyAcSendSelect)]
    [InlineData("TPM2_MAC_Start", TpmCc.HmacStart)]
    [InlineData("0x126", TpmCc.Clear)]
    [InlineData("0X20000001", (TpmCc)0x2000_0001)]
    [InlineData("0x1FF", (TpmCc)0x1FF)]
    public void A_command_is_known_by_its_name_and_by_its_number(string text, TpmCc code)
    {
        Assert.True(TpmCcNames.TryParse(text, out TpmCc parsed));
        Assert.Equal(code, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Clear")]
    [InlineData("TPM2_")]
    [InlineData("TPM2_Clear ")]
    [InlineData("TPM2_Explode")]
    [InlineData("294")]
    [InlineData("0x")]
    [InlineData("0x126 ")]
    [InlineData("0x1234567890")]
    [InlineData("0x40000126")]
    [InlineData("0x10126")]
    [InlineData("-0x126")]
    public void A_text_that_names_no_command_is_refused(string text) => Assert.False(TpmCcNames.TryParse(text, out _));

    [Fact]
    public void Every_code_has_a_name_that_leads_back_to_it()
    {
        foreach (TpmCc code in Enum.GetValues<TpmCc>())
        {
            Assert.StartsWith("TPM2_", code.ToName(), StringComparison.Ordinal);
            Assert.True(TpmCcNames.TryParse(code.ToName(), out TpmCc parsed));
            Assert.Equal(code, parsed);
        }
    }

    [Fact]
    public void A_code_without_a_name_is_told_by_its_number()
    {
        Assert.Equal("0x20000001", ((TpmCc)0x2000_0001).ToName());
        Assert.Equal("0x1FF", ((TpmCc)0x1FF).ToName());
    }

    [Fact]
    public void The_names_are_those_that_tpm2_tools_give_the_commands_of_a_tpm()
    {
        using var swtpm = new Swtpm();
        using (ITpmTransport transport = swtpm.Connect())
        {
            TpmClient.Execute(transport, TpmClient.Startup);
        }

        string listing = Swtpm.Run("tpm2_getcap", ["-T", swtpm.Spec, "commands"]);
        int compared = 0;
        foreach (Match match in Listed().Matches(listing))
        {
            var code = (TpmCc)uint.Parse(
                match.Groups["code"].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (match.Groups["vendor"].Value == "0")
            {
                Assert.Equal("TPM2_" + match.Groups["name"].Value, code.ToName(), ignoreCase: true);
                compared++;
            }
        }

        Assert.True(compared > 100, listing);
    }

    [GeneratedRegex(
        @"^TPM2_CC_(?<name>\w+):\n(?:  .*\n)*?  commandIndex: +0x(?<code>\w+)\n(?:  .*\n)*?  V: +(?<vendor>\d)",
        RegexOptions.Multiline)]
    private static partial Regex Listed();
}
