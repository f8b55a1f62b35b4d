using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using TpmFs.Fuse.Character;

namespace TpmFs.Configuration;

/// <summary>A rule that gives a node a character device.</summary>
/// <param name="Name">The device's path below /dev, with <c>*</c> for the name of a directory.</param>
/// <param name="Node">The node's place in the tree, with <c>*</c> for every directory of users or domains.</param>
internal sealed partial record DeviceRule(string Name, string Node)
{
    /// <summary>The form of a rule's name, in words.</summary>
    public const string Form = "the name of a device below /dev, such as tpmrmfs0 or tpmfs/web, that begins with tpm";

    /// <summary>The form of a rule's node, in words.</summary>
    public const string NodeForm = "a node that is a TPM, such as \"rm0\", \"domains/web/rm0\" or \"domains/*/rm0\"";

    private const char Any = '*';

    /// <summary>True when the rule is for every directory of users or domains.</summary>
    public bool IsForAll => Node.Contains(Any);

    /// <summary>Reads a rule.</summary>
    /// <param name="problem">The rule's error; empty when it has none.</param>
    public static bool TryParse(
        string name, string node, [NotNullWhen(true)] out DeviceRule? rule, out string problem)
    {
        rule = null;
        string example = name.Replace(Any, 'x');
        problem = !DeviceName.IsValid(example) || !NamePattern().IsMatch(name) || !NodePattern().IsMatch(node)
                ? $"a device is {Form}, and its node is {NodeForm}"
            : KernelsName().IsMatch(name.Replace(Any, '0'))
                ? "names such as tpm0 and tpmrm0 are the kernel's, and udev gives its devices to others. "
                    + "Choose another name, such as tpmrmfs0; tpmfs(8) says how it takes the place of /dev/tpmrm0"
            : name.Contains(Any) != node.Contains(Any)
                ? "a * stands in the device's name exactly when one stands in its node's"
            : "";
        rule = problem.Length == 0 ? new DeviceRule(name, node) : null;
        problem = problem.Length == 0 ? "" : $"device {OutsideText.Line(name)}={OutsideText.Line(node)}: {problem}";
        return rule is not null;
    }

    /// <summary>Reads the rules of a configuration, and those of a command line, which come first.</summary>
    /// <param name="settings">The configuration.</param>
    /// <param name="named">Rules of the form NAME=NODE.</param>
    /// <param name="tpms">The ways to the TPMs, of which none may be a device of a rule.</param>
    public static bool TryParseAll(
        Settings settings, IEnumerable<string> named, IEnumerable<string> tpms, out IReadOnlyList<DeviceRule> rules,
        out string problem)
    {
        var all = new SortedDictionary<string, DeviceRule>(StringComparer.Ordinal);
        rules = [];
        problem = "";
        IEnumerable<(string Name, string Node)> wanted = named.Select(Split).Concat(
            settings.Devices.Select(device => (device.Key, device.Value.Node)));
        foreach ((string name, string node) in wanted)
        {
            if (!TryParse(name, node, out DeviceRule? rule, out problem))
            {
                return false;
            }

            all.TryAdd(name, rule);
        }

        rules = [.. all.Values];
        DeviceRule[] made = [.. rules.Where(rule => tpms.Any(rule.Makes))];
        problem = made.Length == 0 ? "" : $"the device {made[0].Name} is this daemon's own, and cannot be its TPM";
        return made.Length == 0;
    }

    /// <summary>Returns the name of the device that a node has by this rule; null where it has none.</summary>
    /// <param name="place">The node's place in the tree.</param>
    public string? NameFor(string place)
    {
        if (!IsForAll)
        {
            return place == Node ? Name : null;
        }

        string[] parts = Node.Split(Any);
        string directory = place.Length > parts[0].Length + parts[1].Length
            ? place[parts[0].Length..^parts[1].Length] : "/";
        return place == parts[0] + directory + parts[1] && !directory.Contains('/')
            ? Name.Replace(Any.ToString(), directory, StringComparison.Ordinal) : null;
    }

    /// <summary>True when a way to a TPM is a device that this rule makes.</summary>
    private bool Makes(string tpm)
    {
        string[] parts = ("device:" + DeviceName.PathOf(Name)).Split(Any);
        return tpm.StartsWith(parts[0], StringComparison.Ordinal) && tpm.EndsWith(parts[^1], StringComparison.Ordinal)
            && (IsForAll || tpm == parts[0]);
    }

    /// <summary>Matches a rule's key in the configuration file.</summary>
    [GeneratedRegex(@"^tpm[A-Za-z0-9._/-]*\*?[A-Za-z0-9._/-]*\z")]
    public static partial Regex NamePattern();

    /// <summary>Matches a rule's value.</summary>
    [GeneratedRegex(
        @"^((users/(\*|[0-9]{1,10})|domains/(\*|(?!\.{1,2}/)[A-Za-z0-9._][A-Za-z0-9._-]*))/)?"
            + @"(locality/[0-4]/)?(rm|raw)[0-9]{1,3}\z")]
    public static partial Regex NodePattern();

    /// <summary>
    /// Matches names that the kernel gives to TPMs. Some rules of udev, such as those of Debian's package tpm-udev,
    /// know TPMs by these names alone, and would set the owner of every device that is called so.
    /// </summary>
    [GeneratedRegex("^tpm(rm)?[0-9]")]
    private static partial Regex KernelsName();

    private static (string Name, string Node) Split(string text) =>
        text.IndexOf('=', StringComparison.Ordinal) is >= 0 and var at ? (text[..at], text[(at + 1)..]) : (text, "");
}

/// <summary>The settings of one device.</summary>
internal sealed class DeviceSettings
{
    /// <summary>The node that it leads to.</summary>
    public string Node { get; set; } = "";
}
