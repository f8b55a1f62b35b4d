using TpmFs.Clients;

namespace TpmFs.Tree;

/// <summary>An opener of an earlier daemon that does not go on.</summary>
/// <param name="Who">The user of the opener.</param>
/// <param name="Reason">The reason: the end of a sentence.</param>
internal sealed record LostOpener(ConversationIdentity Who, string Reason)
{
    /// <summary>
    /// Returns a sentence for each user, node and reason: one user may have thousands of openers, which must not push
    /// other events out of the log.
    /// </summary>
    public static IEnumerable<string> Describe(IEnumerable<LostOpener> lost) => lost
        .GroupBy(opener => (opener.Who.Client.Uid, opener.Who.Path, opener.Reason))
        .Select(group => Describe(group.First(), group.Count()));

    private static string Describe(LostOpener first, int count)
    {
        ConversationIdentity who = first.Who;
        string opener = $"opener {who.Id} of {OutsideText.Line(who.Path)} (process {who.Client.Pid}, "
            + $"{OutsideText.Line(who.Client.Command)}, of user {who.Client.Uid})";
        return count == 1
            ? $"{opener} gets ENODEV: {first.Reason}"
            : $"{opener} and {count - 1} others of that user get ENODEV: {first.Reason}";
    }
}
