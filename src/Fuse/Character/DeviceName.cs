using System.Text.RegularExpressions;

namespace TpmFs.Fuse.Character;

/// <summary>
/// The name of a device: its path below /dev. The kernel takes an exclamation mark in the name that it is told for a
/// slash of the path.
/// </summary>
public static partial class DeviceName
{
    /// <summary>The longest name, in bytes. It also names a directory in /sys, where 255 is the most.</summary>
    public const int MaxLength = 200;

    /// <summary>
    /// True for one or more portable filenames (POSIX, XBD 3.265) with slashes between, none of them . or .., in at
    /// most <see cref="MaxLength"/> bytes. So a name has no exclamation mark, and stays below /dev.
    /// </summary>
    public static bool IsValid(string name) => name.Length <= MaxLength && Portable().IsMatch(name);

    /// <summary>Returns the device's path.</summary>
    public static string PathOf(string name) => "/dev/" + name;

    /// <summary>Returns the name as the kernel is told it, and as /sys has it.</summary>
    internal static string ForKernel(string name) => name.Replace('/', '!');

    [GeneratedRegex(
        @"^(?!\.{1,2}(/|\z))[A-Za-z0-9._][A-Za-z0-9._-]*(/(?!\.{1,2}(/|\z))[A-Za-z0-9._][A-Za-z0-9._-]*)*\z")]
    private static partial Regex Portable();
}
