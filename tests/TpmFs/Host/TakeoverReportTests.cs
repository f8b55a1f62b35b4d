using TpmFs.Fuse.Session;
using TpmFs.Host;
using TpmFs.Rm.Manager;
using TpmFs.Tree;

namespace TpmFs.Daemon.Tests.Host;

/// <summary>Tests the words on a takeover that people read in the log and in status.</summary>
public sealed class TakeoverReportTests
{
    [Theory]
    [InlineData(
        1, "1 opener, 1 command under way, 1 unread response, 1 request and 1 waiting read",
        "1 object and 1 session of 1 opener go on.")]
    [InlineData(
        2, "2 openers, 2 commands under way, 2 unread responses, 2 requests and 2 waiting reads",
        "2 objects and 2 sessions of 2 openers go on.")]
    [InlineData(
        0, "0 openers, 0 commands under way, 0 unread responses, 0 requests and 0 waiting reads",
        "0 objects and 0 sessions of 0 openers go on.")]
    public void Nouns_have_the_number_that_they_need_and_no_blank_trails(int number, string summary, string held)
    {
        var openers = new TakenOver(number, number, number, 0, 0, []);
        Assert.Equal(summary, TakeoverReport.Summary(openers, new FuseTakenOver(number, number)));
        Assert.Equal(held, TakeoverReport.Held(new ManagerAdoption(number, number, number, "")));
        Assert.Equal(
            $"{held} A command was lost.",
            TakeoverReport.Held(new ManagerAdoption(number, number, number, "A command was lost.")));
    }
}
