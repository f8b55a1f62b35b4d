namespace TpmFs.Fuse.Mount;

/// <summary>
/// Checks the values of mount options: they may hold nothing at which fusermount3 would split its list of options.
/// </summary>
internal static class MountOptionRules
{
    /// <exception cref="ArgumentException">A value is not allowed: the caller's constants are wrong.</exception>
    public static void Check(FuseMountOptions options)
    {
        if (!IsPlain(options.Source) || !IsPlain(options.Subtype))
        {
            throw new ArgumentException(
                "Source and subtype of a mount are made of letters, digits and -_.:/", nameof(options));
        }
    }

    private static bool IsPlain(string text) =>
        text.Length > 0 && text.All(character => char.IsAsciiLetterOrDigit(character) || "-_.:/".Contains(character));
}
