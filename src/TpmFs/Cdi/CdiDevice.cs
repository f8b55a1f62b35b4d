namespace TpmFs.Cdi;

/// <summary>The device of one domain. A container that asks for it gets the domain's managed nodes.</summary>
/// <param name="Name">The domain's name, without the directory that domains are in.</param>
/// <param name="Nodes">The paths of its nodes by the number of their TPM; one at least.</param>
internal sealed record CdiDevice(string Name, IReadOnlyDictionary<int, string> Nodes)
{
    /// <summary>The rule of <see cref="IsName"/>, in words.</summary>
    public const string NameForm = "the name of a device may hold only letters, digits and _-.: and begins and ends "
        + "with a letter or a digit";

    /// <summary>Gets the paths of the nodes' character devices, where they have any, by the same numbers.</summary>
    public IReadOnlyDictionary<int, string> Devices { get; init; } = new Dictionary<int, string>();

    /// <summary>
    /// True when a name is one that the Container Device Interface takes ("Device Name" there): letters, digits and
    /// <c>_-.:</c>, the first and the last of them a letter or a digit.
    /// </summary>
    public static bool IsName(string name) =>
        name.Length > 0 && char.IsAsciiLetterOrDigit(name[0]) && char.IsAsciiLetterOrDigit(name[^1])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or ':');
}
