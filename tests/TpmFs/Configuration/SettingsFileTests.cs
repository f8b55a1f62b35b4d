using System.Text;
using Serilog.Events;
using TpmFs.Configuration;
using TpmFs.Policy;
using TpmFs.Rm;

namespace TpmFs.Daemon.Tests.Configuration;

public sealed class SettingsFileTests : IDisposable
{
    private const string Everything = """
        {
          // comments are welcome
          "tpm": "swtpm:path=/run/x.sock",
          "rm0": { "mode": "0640", "group": "tpm-users" },
          "idle_release": "250ms",
          "command_timeout": "7s",
          "reserve": { "objects": 1, "sessions": 2 },
          "flush_at_start": true, /* and so are these */
          "scheduling": "plain",
          "limits": { "openers.max": 10, "objects.max": "max", "sessions.max": 0, "sessions.saved.max": 7 },
          "log": { "level": "debug", },
        }
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("tpmfs-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_key_goes_where_it_belongs()
    {
        Settings settings = Parse(Everything);

        Assert.Equal(["swtpm:path=/run/x.sock"], settings.Tpms);
        Assert.Equal((0x1A0u, "tpm-users"), (settings.Mode, settings.Group));
        Assert.Equal(TimeSpan.FromMilliseconds(250), settings.IdleRelease);
        Assert.Equal(TimeSpan.FromSeconds(7), settings.CommandTimeout);
        Assert.Equal((1, 2, true), (settings.ReserveObjects, settings.ReserveSessions, settings.FlushAtStart));
        Assert.False(settings.FollowsClients);
        Assert.Equal(10, settings.Root.Limits.OpenersMax);
        Assert.Equal(
            new Limits { OpenersMax = 10, ObjectsMax = SpaceLimits.Unlimited, SessionsMax = 0, SavedSessionsMax = 7 },
            settings.Root.Limits);
        Assert.Equal(LogEventLevel.Debug, settings.LogLevel);
    }

    [Fact]
    public void The_example_in_the_documentation_is_the_defaults_but_for_the_names_in_it()
    {
        string text = File.ReadAllText(Path.Combine(Repository.Folder, "docs/configuration.md"));
        Settings settings = Parse(
            text[(text.IndexOf("```json", StringComparison.Ordinal) + 7)..text.LastIndexOf(
                "```", StringComparison.Ordinal)]);

        Assert.Equal(new Settings().RootLimits, settings.RootLimits);
        Assert.Equal(new Settings().FollowsClients, settings.FollowsClients);
        Assert.Equal(new Settings().LimitsOf(null), settings.LimitsOf(null));
        Assert.Equal(TimeSpan.FromMilliseconds(100), settings.IdleRelease);
        Assert.Equal(new Settings().CommandTimeout, settings.CommandTimeout);
        Assert.Equal(["1001", "@students", "alice"], settings.Users.Keys);
        Assert.Equal(
            (0x1E8u, "root", "web"),
            (settings.Domains["web"].Mode, settings.Domains["web"].Owner, settings.Domains["web"].Group));
    }

    [Theory]
    [InlineData("{ \"users\": { \"a b\": {} } }", 1, 14, "\"a b\" in \"users\" must be a user's name or uid")]
    [InlineData("{ \"domains\": { \"..\": {} } }", 1, 16, "\"..\" in \"domains\" must be a name of letters")]
    [InlineData("{ \"domains\": { \"a\": {}, \"a\": {} } }", 1, 25, "\"a\" is given twice in \"domains\"")]
    [InlineData(
        "{ \"defaults\": { \"weight\": \"max\" } }", 1, 27, "\"weight\" must be a whole number from 1 to 10000")]
    [InlineData(
        "{ \"defaults\": { \"commands.deny\": [ \"@admin\", \"TPM2_Foo\" ] } }", 1, 46,
        "\"commands.deny\" must be a list of commands")]
    [InlineData(
        "{ \"defaults\": { \"commands.deny\": [ \"+TPM2_Clear\" ] } }", 1, 50,
        "\"commands.deny\" must be a list of commands")]
    [InlineData("{ \"defaults\": { \"mode\": \"0700\" } }", 1, 17, "\"mode\" is no key of \"defaults\"")]
    public void A_mistake_in_a_grant_or_domain_has_its_place_and_what_was_expected(
        string text, int line, int column, string expected)
    {
        Assert.False(
            SettingsFile.TryParse(
                Encoding.UTF8.GetBytes(text), out _, out SettingsFile.Position where, out string? problem));
        Assert.StartsWith(expected, problem, StringComparison.Ordinal);
        Assert.Equal((line, column), (where.Line, where.Column));
    }

    [Fact]
    public void Several_TPMs_are_a_list() =>
        Assert.Equal(["embedded", "device:/dev/tpm0"], Parse("{ \"tpm\": [\"embedded\", \"device:/dev/tpm0\"] }").Tpms);

    [Theory]
    [InlineData("{ \"tpm\": [] }", 1, 11)]
    [InlineData("{ \"tpm\": [\"embedded\", 1] }", 1, 23)]
    [InlineData("{ \"tpm\": [\"embedded\", \"\"] }", 1, 23)]
    [InlineData("{ \"tpm\": [[\"embedded\"]] }", 1, 11)]
    [InlineData("{ \"tpm\": {} }", 1, 10)]
    public void A_wrong_list_of_TPMs_is_reported_with_its_place(string text, int line, int column)
    {
        Assert.False(
            SettingsFile.TryParse(
                Encoding.UTF8.GetBytes(text), out _, out SettingsFile.Position where, out string? problem));
        Assert.StartsWith("\"tpm\" must be text", problem, StringComparison.Ordinal);
        Assert.Equal((line, column), (where.Line, where.Column));
    }

    [Fact]
    public void An_empty_object_is_the_defaults()
    {
        Settings settings = Parse("{}");

        Assert.Empty(settings.Tpms);
        Assert.Equal(TimeSpan.FromMilliseconds(100), settings.IdleRelease);
        Assert.Equal(
            new Limits
            {
                OpenersMax = 4096,
                ObjectsMax = 64,
                SessionsMax = 16,
                SavedSessionsMax = 32,
                Weight = 100,
                Denied = DenyList.DefaultOfRoot
            },
            settings.RootLimits);
        Assert.Equal(settings.RootLimits with { Denied = DenyList.Default }, settings.LimitsOf(null));
    }

    [Theory]
    [InlineData(
        "{ \"tmp\": \"x\" }", 1, 3,
        "\"tmp\" is no key of the configuration; its keys are $schema, tpm, rm0, idle_release, command_timeout, "
            + "reserve, flush_at_start, scheduling, dbus, limits, defaults, users, domains, devices, cdi, log")]
    [InlineData("{\n  \"rm0\": { \"owner\": 1 }\n}", 2, 12, "\"owner\" is no key of \"rm0\"; its keys are mode, group")]
    [InlineData("{ \"tpm\": \"a\",\n \"tpm\": \"b\" }", 2, 2, "\"tpm\" is given twice in the configuration")]
    [InlineData("{ \"TPM\": \"a\" }", 1, 3, "\"TPM\" is no key")]
    [InlineData("{ \"tpm\": 1 }", 1, 10, "\"tpm\" must be text")]
    [InlineData("{ \"tpm\": \"\" }", 1, 10, "\"tpm\" must be text")]
    [InlineData("{ \"tpm\": \"a\\u0000b\" }", 1, 10, "\"tpm\" must be text")]
    [InlineData("{ \"tpm\": \"\\ud800\" }", 1, 10, "\"tpm\" must be text")]
    [InlineData("{ \"\\ud800\": 1 }", 1, 3, "is no key")]
    [InlineData("{ /* ä */ \"tpm\": null }", 1, 18, "\"tpm\" must be text")]
    [InlineData("{ \"rm0\": [] }", 1, 10, "\"rm0\" must be an object")]
    [InlineData(
        "{ \"rm0\": { \"mode\": \"0999\" } }", 1, 20, "\"mode\" must be permissions in octal, such as \"0660\"")]
    [InlineData("{ \"rm0\": { \"mode\": \"4755\" } }", 1, 20, "\"mode\" must be permissions")]
    [InlineData("{ \"rm0\": { \"mode\": 660 } }", 1, 20, "\"mode\" must be permissions")]
    [InlineData("{ \"idle_release\": 100 }", 1, 19, "\"idle_release\" must be a time with its unit (ms, s, min, h)")]
    [InlineData("{ \"idle_release\": \"2h\" }", 1, 19, "\"idle_release\" must be a time")]
    [InlineData("{ \"idle_release\": \"-1s\" }", 1, 19, "\"idle_release\" must be a time")]
    [InlineData("{ \"idle_release\": \"99999999999s\" }", 1, 19, "\"idle_release\" must be a time")]
    [InlineData("{ \"idle_release\": \"ms\" }", 1, 19, "\"idle_release\" must be a time")]
    [InlineData("{ \"reserve\": { \"objects\": 65 } }", 1, 27, "\"objects\" must be a whole number from 0 to 64")]
    [InlineData("{ \"reserve\": { \"objects\": 1.5 } }", 1, 27, "\"objects\" must be a whole number")]
    [InlineData("{ \"scheduling\": \"chase\" }", 1, 17, "\"scheduling\" must be one of \"follow\", \"plain\"")]
    [InlineData("{ \"flush_at_start\": \"yes\" }", 1, 21, "\"flush_at_start\" must be true or false")]
    [InlineData(
        "{ \"limits\": { \"objects.max\": -1 } }", 1, 30,
        "\"objects.max\" must be a whole number from 0 on, or \"max\"")]
    [InlineData("{ \"limits\": { \"objects.max\": \"MAX\" } }", 1, 30, "or \"max\"")]
    [InlineData("{ \"limits\": { \"objects.max\": 99999999999 } }", 1, 30, "or \"max\"")]
    [InlineData(
        "{ \"log\": { \"level\": \"loud\" } }", 1, 21,
        "\"level\" must be one of \"debug\", \"information\", \"warning\", \"error\"")]
    [InlineData("[]", 1, 1, "the configuration must be an object")]
    [InlineData("", 1, 1, "this is not JSON")]
    [InlineData("{", 1, 2, "this is not JSON")]
    [InlineData("{}\n{}", 2, 1, "this is not JSON")]
    [InlineData("{ \"tpm\" \"a\" }", 1, 9, "this is not JSON")]
    public void A_mistake_is_reported_with_its_place_and_what_was_expected(
        string text, int line, int column, string expected)
    {
        Assert.False(
            SettingsFile.TryParse(
                Encoding.UTF8.GetBytes(text), out _, out SettingsFile.Position where, out string? problem));

        Assert.Contains(expected, problem, StringComparison.Ordinal);
        Assert.Equal((line, column), (where.Line, where.Column));
    }

    [Fact]
    public void Text_that_is_no_UTF_8_is_refused_and_a_byte_order_mark_is_skipped()
    {
        Assert.False(SettingsFile.TryParse([(byte)'{', 0xFF, (byte)'}'], out _, out _, out string? problem));
        Assert.Equal("the file is not UTF-8 text", problem);
        Assert.True(SettingsFile.TryParse([0xEF, 0xBB, 0xBF, (byte)'{', (byte)'}'], out _, out _, out _));
    }

    [Fact]
    public void Nesting_without_end_is_refused() =>
        Assert.False(
            SettingsFile.TryParse(
                Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"rm0\":", 100_000))), out _, out _, out _));

    [Fact]
    public void Any_bytes_at_all_are_read_or_refused_with_a_reason()
    {
        const int Runs = 20_000;
        var random = new Random(20);
        byte[] seed = Encoding.UTF8.GetBytes(Everything);
        for (int run = 0; run < Runs; run++)
        {
            byte[] text = seed.ToArray();
            for (int changes = random.Next(1, 6); changes > 0; changes--)
            {
                text[random.Next(text.Length)] = (byte)random.Next(256);
            }

            bool taken = SettingsFile.TryParse(
                text.AsSpan(0, random.Next(2) == 0 ? text.Length : random.Next(text.Length)), out _,
                out SettingsFile.Position where, out string? problem);

            Assert.Equal(taken, problem.Length == 0);
            Assert.True(where is { Line: > 0, Column: > 0 });
        }
    }

    [Fact]
    public void A_file_that_is_not_there_is_the_defaults_unless_it_was_asked_for()
    {
        string path = Path.Combine(_folder, "none", "tpmfs.json");
        Assert.True(SettingsFile.TryRead(path, required: false, out _, out _));
        Assert.False(SettingsFile.TryRead(path, required: true, out _, out string? problem));
        Assert.Contains(path, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_with_a_mistake_is_named_with_line_and_column()
    {
        string path = Path.Combine(_folder, "tpmfs.json");
        File.WriteAllText(path, "{\n  \"tpm\": 1\n}");
        Assert.False(SettingsFile.TryRead(path, required: false, out _, out string? problem));
        Assert.StartsWith($"{path}:2:10: ", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_or_a_huge_file_in_its_place_is_an_error_even_when_not_asked_for()
    {
        Assert.False(SettingsFile.TryRead(_folder, required: false, out _, out _));
        string path = Path.Combine(_folder, "tpmfs.json");
        using (FileStream file = File.Create(path))
        {
            file.SetLength(1L << 30);
        }

        Assert.False(SettingsFile.TryRead(path, required: false, out _, out string? problem));
        Assert.Contains("larger", problem, StringComparison.Ordinal);
    }

    private static Settings Parse(string text)
    {
        Assert.True(
            SettingsFile.TryParse(Encoding.UTF8.GetBytes(text), out Settings? settings, out _, out string? problem),
            problem);
        return settings;
    }
}
