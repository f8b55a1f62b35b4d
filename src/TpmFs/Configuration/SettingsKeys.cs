using System.Text.RegularExpressions;
using Serilog.Events;
using TpmFs.Policy;
using static TpmFs.Configuration.Values<TpmFs.Configuration.Settings>;

namespace TpmFs.Configuration;

/// <summary>
/// Lists every key of the configuration file: its name, its value, and the setting that takes the value.
/// docs/configuration.md explains them.
/// </summary>
internal static partial class SettingsKeys
{
    private const string CdiForm = "an absolute path that ends with .json, such as \"/run/cdi/tpmfs.json\": container "
        + "engines read no file of another name";

    private static readonly ObjectShape<DomainSettings> s_limited = LimitKeys();

    private static readonly ObjectShape<DomainSettings> s_domain = new()
    {
        { "mode", Values<DomainSettings>.Mode((domain, mode) => domain.Mode = mode) },
        { "owner", Values<DomainSettings>.String((domain, owner) => domain.Owner = owner) },
        { "group", Values<DomainSettings>.String((domain, group) => domain.Group = group) },
        s_limited,
    };

    public static ObjectShape<Settings> All { get; } = new()
    {
        { "$schema", String((_, _) => { }) }, // for editors
        { "tpm", Strings((settings, ways) => settings.Tpms = ways) },
        {
            "rm0", new ObjectShape<Settings>
            {
                { "mode", Mode((settings, mode) => settings.Mode = mode) },
                { "group", String((settings, group) => settings.Group = group) },
            }
        },
        { "idle_release",
            Duration(TimeSpan.Zero, TimeSpan.FromHours(1), (settings, time) => settings.IdleRelease = time) },
        {
            "command_timeout",
            Duration(
                TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(300), (settings, time) => settings.CommandTimeout = time)
        },
        {
            "reserve", new ObjectShape<Settings>
            {
                { "objects", Count(0, 64, (settings, count) => settings.ReserveObjects = count) },
                { "sessions", Count(0, 64, (settings, count) => settings.ReserveSessions = count) },
            }
        },
        { "flush_at_start", Truth((settings, flush) => settings.FlushAtStart = flush) },
        { "scheduling",
            OneOf([("follow", true), ("plain", false)], (settings, follows) => settings.FollowsClients = follows) },
        {
            "dbus", new ObjectShape<Settings>
            {
                { "bus",
                    OneOf<BusKind?>(
                        [("none", null), ("system", BusKind.System), ("session", BusKind.Session)],
                        (settings, bus) => settings.Bus = bus) },
                { "name",
                    Text(
                        $"a name on D-Bus, such as \"{BusSettings.TabrmdName}\"", WellKnownName(),
                        (settings, name) => settings.BusName = name) },
            }
        },
        { "limits", new PartOf<Settings, DomainSettings>(s_limited, settings => settings.Root) },
        { "defaults", new PartOf<Settings, DomainSettings>(s_limited, settings => settings.Defaults) },
        { "users",
            new MapShape<Settings, DomainSettings>(
                Grantee(), "a user's name or uid, or a group's name after @", s_limited, settings => settings.Users) },
        {
            "domains",
            new MapShape<Settings, DomainSettings>(
                PortableName(), "a name of letters, digits and . _ -, not beginning with -", s_domain,
                settings => settings.Domains)
        },
        { "devices",
            new MapShape<Settings, DeviceSettings>(
                DeviceRule.NamePattern(), DeviceRule.Form,
                Values<DeviceSettings>.Text(
                    DeviceRule.NodeForm, DeviceRule.NodePattern(), (device, node) => device.Node = node),
                settings => settings.Devices) },
        { "cdi", Text(CdiForm, CdiPath(), (settings, path) => settings.CdiFile = path) },
        {
            "log", new ObjectShape<Settings>
            {
                {
                    "level", OneOf(
                        [
                            ("debug", LogEventLevel.Debug),
                            ("information", LogEventLevel.Information),
                            ("warning", LogEventLevel.Warning),
                            ("error", LogEventLevel.Error),
                        ],
                        (settings, level) => settings.LogLevel = level)
                },
            }
        },
    };

    /// <summary>
    /// Matches a portable filename of POSIX (XBD 3.265), at most NAME_MAX bytes; neither . nor .. is one.
    /// </summary>
    [GeneratedRegex(@"^(?!\.{1,2}\z)[A-Za-z0-9._][A-Za-z0-9._-]{0,254}\z")]
    public static partial Regex PortableName();

    /// <summary>
    /// Matches the name of a user: more than useradd(8) takes, since directory servers have names of their own.
    /// </summary>
    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9._@\\+-]{0,254}\$?\z")]
    public static partial Regex UserName();

    [GeneratedRegex(@"^@?[A-Za-z0-9_][A-Za-z0-9._@\\+-]{0,254}\$?\z")]
    private static partial Regex Grantee();

    /// <summary>
    /// Matches a well-known bus name of the D-Bus specification ("Valid Names"), of at most 255 characters.
    /// </summary>
    [GeneratedRegex(@"^(?=.{3,255}\z)[A-Za-z_-][A-Za-z0-9_-]*(\.[A-Za-z_-][A-Za-z0-9_-]*)+\z")]
    private static partial Regex WellKnownName();

    [GeneratedRegex(@"^/[^\x00-\x1F\x7F]{0,4000}\.json\z")]
    private static partial Regex CdiPath();

    private static ObjectShape<DomainSettings> LimitKeys()
    {
        var keys = new ObjectShape<DomainSettings>();
        foreach (LimitKind kind in LimitKind.Known)
        {
            keys.Add(
                kind.Name,
                Values<DomainSettings>.Limit(kind, (domain, value) => domain.Limits = kind.Set(domain.Limits, value)));
        }

        keys.Add(
            "commands.deny",
            Values<DomainSettings>.Denied((domain, list) => domain.Limits = domain.Limits with { Denied = list }));
        return keys;
    }
}
