using System.Text;
using TpmFs.Configuration;

namespace TpmFs.Daemon.Tests.Configuration;

public sealed class DeviceRuleTests
{
    [Theory]
    [InlineData("tpmrmfs0", "rm0", "rm0", "tpmrmfs0")]
    [InlineData("tpmfs/raw0", "raw0", "raw0", "tpmfs/raw0")]
    [InlineData("tpmfs/web", "domains/web/locality/3/rm1", "domains/web/locality/3/rm1", "tpmfs/web")]
    [InlineData("tpmfs/*", "domains/*/rm0", "domains/web/rm0", "tpmfs/web")]
    [InlineData("tpm-*-rm1", "users/*/rm1", "users/1000/rm1", "tpm-1000-rm1")]
    public void A_node_that_a_rule_names_has_the_rules_device(string name, string node, string place, string device)
    {
        Assert.True(DeviceRule.TryParse(name, node, out DeviceRule? rule, out _));
        Assert.Equal(device, rule.NameFor(place));
    }

    [Theory]
    [InlineData("tpmrmfs0", "rm0", "rm1")]
    [InlineData("tpmrmfs0", "rm0", "domains/web/rm0")]
    [InlineData("tpmfs/*", "domains/*/rm0", "domains/web/locality/0/rm0")]
    [InlineData("tpmfs/*", "domains/*/rm0", "users/1000/rm0")]
    [InlineData("tpmfs/*", "domains/*/rm0", "domains/rm0")]
    [InlineData("tpmfs/*", "domains/*/rm0", "rm0")]
    public void Another_node_has_no_device(string name, string node, string place)
    {
        Assert.True(DeviceRule.TryParse(name, node, out DeviceRule? rule, out _));
        Assert.Null(rule.NameFor(place));
    }

    [Theory]
    [InlineData("tpm0", "rm0", "the kernel's")]
    [InlineData("tpmrm0", "rm0", "the kernel's")]
    [InlineData("tpmrm1x", "rm0", "the kernel's")]
    [InlineData("tpm*", "domains/*/rm0", "the kernel's")] // a domain may be called 0
    [InlineData("null", "rm0", "begins with tpm")]
    [InlineData("sda", "rm0", "begins with tpm")]
    [InlineData("tpm!x", "rm0", "begins with tpm")]
    [InlineData("tpm/../sda", "rm0", "begins with tpm")]
    [InlineData("tpmfs/", "rm0", "begins with tpm")]
    [InlineData("tpmfs/web", "", "such as \"rm0\"")]
    [InlineData("tpmfs/web", "status", "such as \"rm0\"")]
    [InlineData("tpmfs/web", "domains/../rm0", "such as \"rm0\"")]
    [InlineData("tpmfs/web", "users/alice/rm0", "such as \"rm0\"")]
    [InlineData("tpmfs/web", "domains/*/rm0", "exactly when")]
    [InlineData("tpmfs/*", "rm0", "exactly when")]
    [InlineData("tpmfs/*/*", "domains/*/rm0", "begins with tpm")]
    public void A_rule_that_names_no_node_or_what_may_be_anothers_device_is_refused(
        string name, string node, string expected)
    {
        Assert.False(DeviceRule.TryParse(name, node, out _, out string problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_lines_rule_goes_before_the_files_of_the_same_name()
    {
        var settings = new Settings
        {
            Devices = { ["tpmfs/a"] = new() { Node = "rm0" }, ["tpmfs/b"] = new() { Node = "rm0" } },
        };
        Assert.True(DeviceRule.TryParseAll(
            settings, ["tpmfs/a=raw0", "tpmx=rm0"], [], out IReadOnlyList<DeviceRule> rules, out _));
        Assert.Equal(
            [new DeviceRule("tpmfs/a", "raw0"), new DeviceRule("tpmfs/b", "rm0"), new DeviceRule("tpmx", "rm0")],
            rules);
        Assert.False(DeviceRule.TryParseAll(settings, ["tpmx"], [], out _, out string problem));
        Assert.Contains("device tpmx=:", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tpmfs/raw0=raw0", "device:/dev/tpmfs/raw0", false)]
    [InlineData("tpmfs/*=domains/*/rm0", "device:/dev/tpmfs/web", false)]
    [InlineData("tpmfs/raw0=raw0", "device:/dev/tpmfs/raw", true)]
    [InlineData("tpmfs/raw0=raw0", "device:/dev/tpm0", true)]
    public void A_daemons_own_device_is_never_its_TPM(string rule, string tpm, bool isTaken) =>
        Assert.Equal(isTaken, DeviceRule.TryParseAll(new Settings(), [rule], [tpm], out _, out _));

    [Fact]
    public void The_file_has_devices_by_name()
    {
        Assert.True(SettingsFile.TryParse(
            "{ \"devices\": { \"tpmrmfs0\": \"rm0\", \"tpmfs/*\": \"domains/*/rm0\" } }"u8, out Settings settings,
            out _, out string problem), problem);
        Assert.True(DeviceRule.TryParseAll(settings, [], [], out IReadOnlyList<DeviceRule> rules, out _));
        Assert.Equal(2, rules.Count);
    }

    [Theory]
    [InlineData(
        "{ \"devices\": { \"sda\": \"rm0\" } }", "\"sda\" in \"devices\" must be the name of a device below /dev")]
    [InlineData("{ \"devices\": { \"tpmx\": \"status\" } }", "\"tpmx\" must be a node that is a TPM")]
    [InlineData("{ \"devices\": { \"tpmx\": 1 } }", "\"tpmx\" must be a node that is a TPM")]
    [InlineData("{ \"devices\": \"domains\" }", "\"devices\" must be an object")]
    public void A_mistake_in_the_file_is_reported_with_its_place(string text, string expected)
    {
        Assert.False(SettingsFile.TryParse(Encoding.UTF8.GetBytes(text), out _, out _, out string problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }
}
