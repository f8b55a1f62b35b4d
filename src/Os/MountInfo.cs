using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TpmFs.Os;

/// <summary>One line of /proc/self/mountinfo (proc(5)).</summary>
/// <param name="Id">The mount's number.</param>
/// <param name="ParentId">The number of the mount it lies on.</param>
/// <param name="Device">The filesystem's st_dev, "major:minor"; no other has it as long as this one exists.</param>
/// <param name="MountPoint">The mount point, seen from the process's root.</param>
/// <param name="Type">The type, with the subtype after a dot.</param>
/// <param name="Source">The source of the mount.</param>
public sealed record MountInfo(int Id, int ParentId, string Device, string MountPoint, string Type, string Source)
{
    internal const string SelfPath = "self/mountinfo"; // in /proc
    private const string UserOption = "user_id=";

    /// <summary>
    /// Gets the user who mounted it, and so decides all that is in it; null where the filesystem does not say, as all
    /// but FUSE do.
    /// </summary>
    public uint? User { get; init; }

    /// <summary>Returns all mounts that this process can see.</summary>
    /// <exception cref="IOException">There is no /proc.</exception>
    public static IReadOnlyList<MountInfo> ReadAll() => Parse(ProcFs.ReadText(SelfPath));

    /// <summary>Reads the text of a mountinfo file. Lines that are not as proc(5) has them are left out.</summary>
    public static IReadOnlyList<MountInfo> Parse(string text)
    {
        var mounts = new List<MountInfo>();
        foreach (string line in text.Split('\n'))
        {
            if (TryParseLine(line) is { } mount)
            {
                mounts.Add(mount);
            }
        }

        return mounts;
    }

    /// <summary>
    /// Returns the mount that a file lies in, without asking the mount's server; 0 when it cannot be told.
    /// </summary>
    /// <param name="file">Any descriptor, also one of <see cref="OpenOptions.PathOnly"/>. Needs /proc.</param>
    public static int IdOf(SafeFileHandle file) => ProcFs.NumberIn(file, "mnt_id:");

    /// <summary>
    /// Returns the layers mounted on a path, lowest first. <paramref name="parentId"/> is the mount that the path's
    /// directory lies in, so that mounts of that path which are hidden below another mount do not count.
    /// </summary>
    public static IReadOnlyList<MountInfo> Layers(IReadOnlyList<MountInfo> mounts, int parentId, string mountPoint)
    {
        var layers = new List<MountInfo>();
        int below = parentId;
        while (mounts.FirstOrDefault(
            mount => mount.ParentId == below && mount.MountPoint == mountPoint && mount.Id != below) is { } layer
            && layers.Count < mounts.Count)
        {
            layers.Add(layer);
            below = layer.Id;
        }

        return layers;
    }

    private static MountInfo? TryParseLine(string line)
    {
        // 36 35 98:0 /root /mount/point options [optional ...] - type source super-options
        const int FirstOptionalField = 6;
        const int FieldsAfterSeparator = 3;
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", Math.Min(FirstOptionalField, fields.Length));
        bool isWhole = separator >= 0 && fields.Length >= separator + FieldsAfterSeparator;
        if (!isWhole
            || !int.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            || !int.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out int parentId))
        {
            return null;
        }

        return new MountInfo(
            id, parentId, fields[2], Unescape(fields[4]), Unescape(fields[separator + 1]),
            Unescape(fields[separator + 2]))
        {
            User = UserOf(fields[^1]),
        };
    }

    private static uint? UserOf(string options)
    {
        string? user = Array.Find(
            options.Split(','), option => option.StartsWith(UserOption, StringComparison.Ordinal));
        return user is not null && uint.TryParse(
            user.AsSpan(UserOption.Length), NumberStyles.None, CultureInfo.InvariantCulture, out uint uid) ? uid : null;
    }

    /// <summary>
    /// Decodes what the kernel wrote as three octal digits after a backslash: space, tab, newline, backslash, number
    /// sign.
    /// </summary>
    private static string Unescape(string field)
    {
        const int EscapeLength = 4;
        if (!field.Contains('\\'))
        {
            return field;
        }

        var text = new StringBuilder(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + EscapeLength <= field.Length
                && TryOctal(field.AsSpan(i + 1, EscapeLength - 1), out char character))
            {
                text.Append(character);
                i += EscapeLength - 1;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }

    private static bool TryOctal(ReadOnlySpan<char> digits, out char character)
    {
        const int Ascii = 128;
        int value = 0;
        foreach (char digit in digits)
        {
            if (digit is < '0' or > '7')
            {
                character = default;
                return false;
            }

            value = (value * 8) + (digit - '0');
        }

        character = (char)value;
        return value < Ascii;
    }
}
