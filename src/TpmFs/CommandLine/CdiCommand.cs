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

    /// <summary>The file's mode: all users' engines read it (0644).</summary>
    private const uint Readable = 0b110_100_100;

    private static readonly UnixFileMode s_openToAll = UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead
        | UnixFileMode.OtherExecute;

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
                    return Change(output, (folder, name) => folder.TryRemove(name, out string why) ? "" : why);
                default:
                    byte[] text = CdiSpecification.Of(devices);
                    return Change(output, (folder, name) => folder.TryReplace(
                        name, stream => stream.Write(text), out string why, Readable) ? "" : why);
            }

            return ExitCode.Ok;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ExitCode.Problem($"{output ?? "standard output"} cannot be written: {e.Message}");
        }
    }

    /// <summary>
    /// Changes a file in a directory that only this user and root can change: in another, its owner could lead the
    /// change to any file of the machine. Makes the directory where it is missing. An engine that reads the file sees
    /// the old text or the new.
    /// </summary>
    /// <param name="change">Returns what went wrong; empty when nothing did.</param>
    private static int Change(string path, Func<SafeDirectory, string, string> change)
    {
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? "/";
        bool isNew = !Directory.Exists(folder);
        if (!SafeDirectory.TryOpen(folder, creates: true, out SafeDirectory? directory, out _, out string problem))
        {
            return ExitCode.Problem(problem);
        }

        using (directory)
        {
            if (isNew)
            {
                File.SetUnixFileMode(folder, s_openToAll); // engines of other users read it too
            }

            problem = change(directory, Path.GetFileName(full));
            return problem.Length == 0 ? ExitCode.Ok : ExitCode.Problem($"{path} cannot be written: {problem}");
        }
    }
}
