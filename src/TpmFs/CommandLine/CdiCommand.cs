using System.CommandLine;
using TpmFs.Cdi;
using TpmFs.Host;

namespace TpmFs.CommandLine;

/// <summary>tpmfs cdi: names the domains as devices to container engines.</summary>
internal static class CdiCommand
{
    private static readonly Option<string?> s_output = new("--output")
    {
        Description = "Write the specification to this file, such as /run/cdi/tpmfs.json, instead of standard output. "
            + "The file is replaced as a whole, and removed when there is no domain.",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        var command = new Command(
            "cdi",
            "Print a specification by which container engines give domains to containers: podman run --device "
                + $"{CdiSpecification.Kind}=DOMAIN.")
        {
            s_output, TreeCommands.MountPoint,
        };
        command.SetAction(arguments =>
            TreeCommands.With(arguments, tree => Run(tree, arguments.GetValue(s_output))));
        return command;
    }

    private static int Run(MountedTree tree, string? output)
    {
        if (!tree.TryListMadeDomains(out IReadOnlyList<string> domains, out string problem))
        {
            return ExitCode.Problem(
                $"cannot list the domains: {problem}. Only root and the daemon's own user may: sudo tpmfs cdi");
        }

        IReadOnlyDictionary<string, string> character = tree.Devices();
        CdiDevice[] all = [.. domains
            .Select(domain => DeviceOf(tree, domain, character))
            .Where(device => device.Nodes.Count > 0)];
        CdiDevice[] devices = [.. all.Where(device => CdiDevice.IsName(device.Name))];
        foreach (CdiDevice device in all.Except(devices))
        {
            Console.Error.WriteLine(
                $"tpmfs: left out the domain '{OutsideText.Line(device.Name)}': {CdiDevice.NameForm}");
        }

        return output is null ? Print(tree, devices)
            : CdiFile.TryWrite(output, devices, out problem) ? ExitCode.Ok : ExitCode.Problem(problem);
    }

    /// <summary>Returns what a container gets of a domain.</summary>
    /// <param name="devices">The devices of all nodes, by the nodes' places in the tree.</param>
    private static CdiDevice DeviceOf(MountedTree tree, string domain, IReadOnlyDictionary<string, string> devices)
    {
        IReadOnlyDictionary<int, string> nodes = tree.ManagedNodes(domain);
        return new CdiDevice(Path.GetFileName(domain), nodes)
        {
            Devices = nodes
                .Select(node => (node.Key, Device: devices.GetValueOrDefault(
                    MountedTree.At(domain, Path.GetFileName(node.Value)))))
                .Where(node => node.Device is not null)
                .ToDictionary(node => node.Key, node => node.Device!),
        };
    }

    private static int Print(MountedTree tree, CdiDevice[] devices)
    {
        if (devices.Length == 0)
        {
            return ExitCode.Problem(
                $"there is no domain that a container could name; make one: mkdir {tree.Path}/domains/NAME");
        }

        try
        {
            using Stream standardOutput = Console.OpenStandardOutput();
            standardOutput.Write(CdiSpecification.Of(devices));
            return ExitCode.Ok;
        }
        catch (IOException e)
        {
            return ExitCode.Problem($"standard output cannot be written: {e.Message}");
        }
    }
}
