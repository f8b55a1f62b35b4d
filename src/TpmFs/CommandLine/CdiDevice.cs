namespace TpmFs.CommandLine;

/// <summary>What a container gets that asks for a domain: the domain's managed nodes.</summary>
/// <param name="Name">The domain's name, without the directory that domains are in.</param>
/// <param name="Nodes">The paths of its nodes by the number of their TPM; one at least.</param>
internal sealed record CdiDevice(string Name, IReadOnlyDictionary<int, string> Nodes)
{
    /// <summary>Gets the paths of the nodes' character devices, where they have any, by the same numbers.</summary>
    public IReadOnlyDictionary<int, string> Devices { get; init; } = new Dictionary<int, string>();

    /// <summary>Returns what a container gets of a domain.</summary>
    /// <param name="devices">The devices of all nodes, by the nodes' places in the tree.</param>
    public static CdiDevice Of(MountedTree tree, string domain, IReadOnlyDictionary<string, string> devices)
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

    /// <summary>
    /// True when a name is one that the Container Device Interface takes ("Device Name" there): letters, digits and
    /// <c>_-.:</c>, the first and the last of them a letter or a digit.
    /// </summary>
    public static bool IsName(string name) =>
        name.Length > 0 && char.IsAsciiLetterOrDigit(name[0]) && char.IsAsciiLetterOrDigit(name[^1])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or ':');
}
