using TpmFs.Clients;
using TpmFs.Tree;

namespace TpmFs.Daemon.Tests.Tree;

public sealed class LostOpenerTests
{
    /// <summary>
    /// Regression: a user with 2,048 connections by D-Bus made the next daemon write as many warnings at once, which
    /// left half of the log's queue to all other events.
    /// </summary>
    [Fact]
    public void A_user_who_loses_thousands_of_openers_costs_the_log_one_line_for_each_reason()
    {
        LostOpener[] lost =
        [
            .. Enumerable.Range(1, 2000).Select(id => Lost((ulong)id, 1001, "it came by D-Bus")),
            Lost(5000, 1002, "it came by D-Bus"),
            Lost(5001, 1001, "its TPM is not configured any more"),
        ];
        Assert.Equal(
            [
                "opener 1 of rm0 (process 7, tool, of user 1001) and 1999 others of that user get ENODEV: it came by "
                    + "D-Bus",
                "opener 5000 of rm0 (process 7, tool, of user 1002) gets ENODEV: it came by D-Bus",
                "opener 5001 of rm0 (process 7, tool, of user 1001) gets ENODEV: its TPM is not configured any more",
            ],
            LostOpener.Describe(lost));
    }

    private static LostOpener Lost(ulong id, uint uid, string reason) => new(
        new ConversationIdentity(
            id, new Client(uid, 7, "tool"), "", new TpmNodeAddress("rm0", 0, 0, IsRaw: false), BegunAt: 0),
        reason);
}
