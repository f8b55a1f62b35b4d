namespace TpmFs.Os;

/// <summary>
/// Says whose files this process trusts: those of its own user, and those of root, who can change everything anyway.
/// </summary>
public static class Trust
{
    private const string OverflowUser = "/proc/sys/kernel/overflowuid";
    private const string UserMap = "self/uid_map";
    private const string WholeMap = "4294967295";

    private static readonly Lazy<uint?> s_unmapped = new(FindUnmapped);

    /// <summary>True for root and for this process's user.</summary>
    public static bool IsOurs(uint owner) => owner == 0 || owner == ProcessCalls.EffectiveUserId;

    /// <summary>
    /// True also for users who have no number in this process's user namespace: there, the machine's own directories
    /// (/, /tmp, /home) are shown as theirs.
    /// </summary>
    public static bool MayHoldParents(uint owner) => IsOurs(owner) || owner == s_unmapped.Value;

    /// <summary>Returns the number by which users without a number are shown; null where every user has one.</summary>
    private static uint? FindUnmapped()
    {
        try
        {
            string map = ProcFs.ReadText(UserMap);
            return map.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is ["0", "0", WholeMap] ? null
                : uint.TryParse(File.ReadAllText(OverflowUser), out uint shown) ? shown : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
