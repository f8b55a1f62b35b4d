using Serilog.Core;
using Serilog.Events;
using TpmFs.Configuration;
using TpmFs.Daemon.Tests.Tree;
using TpmFs.Fuse;
using TpmFs.Logs;
using TpmFs.Permissions;
using TpmFs.Policy;
using TpmFs.Tree;
using static TpmFs.Daemon.Tests.Tree.TreeFixture;

namespace TpmFs.Daemon.Tests.Permissions;

/// <summary>
/// Tests that the audit names who changed what: no change that takes power or gives it goes without an entry.
/// </summary>
public sealed class AuditTests : IDisposable
{
    private const string ByReset = "a reset by process 1 (";
    private readonly TreeFixture _tree = new(Granting("alice", "bob"));

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void The_tree_at_the_start_is_no_change() =>
        Assert.DoesNotContain("the configuration:", _tree.Logged, StringComparison.Ordinal);

    [Fact]
    public void Openers_that_end_with_their_domain_are_recorded_as_revoked()
    {
        _tree.Make("domains", "web");
        _tree.Open("domains/web/rm0");
        _tree.Remove("domains", "web");
        AssertLogged("of domains/web/rm0 (process 1,", "is revoked");
        Assert.Equal("domains/web", Entry("is revoked").Field("Domain"));
    }

    [Fact]
    public void A_reload_that_takes_a_user_out_grants_another_and_changes_limits_and_owners_is_recorded()
    {
        _tree.Open("users/1001/rm0", Bob);
        Settings changed = Granting("alice");
        changed.Users["alice"] =
            new DomainSettings { Limits = new Limits { ObjectsMax = 1, Denied = DenyList.Nothing } };
        changed.Domains["web"] = new DomainSettings();
        changed.Root.Limits = new Limits { Weight = 7 };
        Configure(changed);

        AssertLogged("of users/1001/rm0", "is revoked");
        AssertLogged("users/1001: removed by the configuration: done");
        AssertLogged("domains/web: made by the configuration: done");
        AssertLogged("users/1000: objects.max is now 1, commands.deny is now '' by the configuration: done");
        AssertLogged("/: weight is now 7 by the configuration: done");
        AssertLogged("rm0: access is now 0600 0:0 by the configuration: done");
        Assert.Equal(
            ("users/1001", "root"), (Entry("users/1001: removed").Field("Domain"), Entry("/: weight").Field("Domain")));
    }

    [Fact]
    public void A_reload_that_changes_nothing_records_nothing()
    {
        Settings same = Granting("alice", "bob");
        same.Domains["web"] = new DomainSettings();
        _tree.Tree.Configure(same, new Access(0x1B0, 0, 109));
        Assert.True(
            SpinWait.SpinUntil(
                () => _tree.Logged.Contains("domains/web: made", StringComparison.Ordinal), TimeSpan.FromSeconds(30)));
        Assert.Single(_tree.Logged.Split('\n'), line => line.Contains("the configuration:", StringComparison.Ordinal));
    }

    [Fact]
    public void A_reset_is_an_event_of_its_own_with_all_that_it_changes()
    {
        _tree.Make("domains", "web");
        _tree.Open("domains/web/rm0");
        _tree.Change("rm0", mode: 0x180);
        _tree.Write("users/1000/objects.max", "5");

        Assert.Equal(Errno.EPERM, Reset(Alice, ""));
        Assert.Equal(Errno.None, Reset(Root, ""));

        AssertLogged("/: every change at run time was to be dropped by process", "Operation not permitted");
        AssertLogged("/: every change at run time is dropped by process 1 (", ": done");
        AssertLogged("of domains/web/rm0 (process 1,", "is revoked");
        AssertLogged($"domains/web: removed by {ByReset}");
        AssertLogged($"rm0: access is now 0660 0:109 by {ByReset}");
        AssertLogged($"users/1000: objects.max is now 64 by {ByReset}");
        Assert.DoesNotContain("/: access", _tree.Logged, StringComparison.Ordinal);
        Assert.Equal(EventType.Reset.MessageId, Entry("is dropped").Field(EventType.MessageIdProperty));
    }

    [Fact]
    public void A_reset_of_a_place_names_it_and_its_domain()
    {
        _tree.Write("users/1000/objects.max", "5");
        Assert.Equal(Errno.None, Reset(Root, "users/1000/objects.max"));
        AssertLogged(
            "users/1000/objects.max: every change at run time to it and to what is below it is dropped by");
        Assert.Equal("users/1000", Entry("is dropped").Field("Domain"));
    }

    [Fact]
    public void Another_attribute_is_no_change_of_access_and_an_acl_that_is_refused_is()
    {
        Assert.Equal(Errno.EOPNOTSUPP, _tree.Kernel.SetXattr(Root, _tree.NumberOf("rm0"), "user.x"u8, "y"u8, 0));
        Assert.DoesNotContain("access was to be changed", _tree.Logged, StringComparison.Ordinal);
        Assert.Equal(
            Errno.EINVAL, _tree.Kernel.SetXattr(Root, _tree.NumberOf("rm0"), "system.posix_acl_access"u8, "y"u8, 0));
        AssertLogged("rm0: access was to be changed by");
    }

    [Fact]
    public void The_roots_own_access_is_shown_as_a_slash()
    {
        _tree.Change("", mode: 0x1C0);
        AssertLogged("/: access is now 0700 0:0 by process 1 (");
    }

    [Fact]
    public void A_long_order_is_cut_with_its_length()
    {
        Order("commands.deny", string.Concat(Enumerable.Repeat("TPM2_Clear\n", 100)));
        AssertLogged("… (1099 characters)' written");
        Order("commands.deny", "TPM2_Clear\n");
        AssertLogged("'TPM2_Clear' written");
    }

    /// <summary>
    /// The owner of a domain had set-user-ID programs write their help to the domain's files. The audit named root, and
    /// the entries were not counted as that user's.
    /// </summary>
    [Fact]
    public void An_order_is_of_the_user_who_opened_the_file_whoever_writes_it()
    {
        const uint writeOnly = 1; // O_WRONLY
        NodeId file = _tree.NumberOf("users/1000/cancel", Alice);
        Assert.Equal(Errno.None, _tree.Kernel.Open(Alice, file, writeOnly, out FuseOpened opened));
        _tree.Kernel.Write(Root, file, opened.Open, default, "Usage: su"u8, out _);

        AssertLogged("users/1000/cancel: 'Usage: su' written by process 1 (", ") of user 1000: Invalid argument");
        Assert.Equal(1000u, LogShares.UserOf(Entry("Usage: su")));
    }

    [Theory]
    [InlineData(LogEventLevel.Warning)]
    [InlineData(LogEventLevel.Error)]
    public void The_audit_is_logged_whatever_the_level(LogEventLevel level)
    {
        var messages = new Messages();
        using (Logger log = Log.OpenOn(messages, new LostEvents(TimeSpan.FromSeconds(10)), level, new Payers()))
        {
            log.Information("quiet");
            Audit.OfConfiguration(log).Made("domains/web");
            log.Of(EventType.CommandDenied).Warning("denied");
            log.Of(EventType.Ready).Information("ready");
        }

        Assert.Equal(["domains/web: made by the configuration: done", "denied"], messages.All);
    }

    private static Settings Granting(params string[] users)
    {
        var settings = new Settings();
        Array.ForEach(users, user => settings.Users[user] = new DomainSettings());
        return settings;
    }

    private void Configure(Settings settings)
    {
        _tree.Tree.Configure(settings, new Access(0x180, 0, 0));
        Assert.True(
            SpinWait.SpinUntil(
                () => _tree.Logged.Contains("domains/web: made", StringComparison.Ordinal), TimeSpan.FromSeconds(30)),
                "the reload never came");
    }

    private void Order(string file, string order) =>
        Assert.Equal(
            Errno.None,
            _tree.Kernel.Write(
                Root, _tree.NumberOf(file), _tree.Open(file), default, System.Text.Encoding.ASCII.GetBytes(order),
                out _));

    private Errno Reset(FuseCaller caller, string place) =>
        _tree.Kernel.SetXattr(
            caller, NodeId.Root, RootDirectory.ResetAttribute, System.Text.Encoding.ASCII.GetBytes(place), 0);

    private void AssertLogged(params string[] parts) =>
        Assert.Contains(
            _tree.Logged.Split('\n'), line => parts.All(part => line.Contains(part, StringComparison.Ordinal)));

    private LogEvent Entry(string part) =>
        _tree.Events.First(one => Rendered.Message(one).Contains(part, StringComparison.Ordinal));

    private sealed class Messages : ILogEventSink
    {
        public List<string> All { get; } = [];

        public void Emit(LogEvent logEvent) => All.Add(Rendered.Message(logEvent));
    }
}

file static class EventFields
{
    public static string Field(this LogEvent entry, string name) => Rendered.Value(entry.Properties[name]);
}
