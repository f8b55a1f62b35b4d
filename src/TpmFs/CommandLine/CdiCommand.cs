using System.CommandLine;
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
            return ExitCode.Problem($"cannot list the domains: {problem}. Only root and the daemon's own user may");
        }

        IReadOnlyDictionary<string, string> character = tree.Devices();
        CdiDevice[] all = [.. domains
            .Select(domain => CdiDevice.Of(tree, domain, character))
            .Where(device => device.Nodes.Count > 0)];
        CdiDevice[] devices = [.. all.Where(device => CdiDevice.IsName(device.Name))];
        foreach (CdiDevice device in all.Except(devices))
        {
            Console.Error.WriteLine(
                $"tpmfs: left out the domain '{OutsideText.Line(device.Name)}': the name of a device may hold only "
                    + "letters, digits and _-.: and begins and ends with a letter or a digit");
        }

        return Write(tree, devices, output);
    }

    private static int Write(MountedTree tree, CdiDevice[] devices, string? output)
    {
        try
        {
            switch ((output, devices))
            {
                case (null, []):
                    return ExitCode.Problem(
                        $"there is no domain that a container could name; make one: mkdir {tree.Path}/domains/NAME");
                case (null, _):
                    using (Stream standardOutput = Console.OpenStandardOutput())
                    {
                        standardOutput.Write(CdiSpecification.Of(devices));
                    }

                    break;
                case (_, []):
                    // Engines refuse a specification without a device.
                    File.Delete(output);
                    break;
                default:
                    Replace(output, CdiSpecification.Of(devices));
                    break;
            }

            return ExitCode.Ok;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ExitCode.Problem($"{output ?? "standard output"} cannot be written: {e.Message}");
        }
    }

    /// <summary>Replaces a file as a whole, so that an engine that reads it sees the old text or the new.</summary>
    private static void Replace(string path, byte[] text)
    {
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? "/";
        Directory.CreateDirectory(folder);

        // Engines read files that end with .json or .yaml, and so not this one.
        string fresh = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}");
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
                    | UnixFileMode.OtherRead,
            };
            using (var stream = new FileStream(fresh, options))
            {
                stream.Write(text);
            }

            File.Move(fresh, full, overwrite: true);
        }
        catch
        {
            File.Delete(fresh);
            throw;
        }
    }
}
