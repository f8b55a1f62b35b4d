using Serilog.Events;
using static TpmFs.Configuration.Values;

namespace TpmFs.Configuration;

/// <summary>Every key of the configuration file: its name, what it takes, where that goes. docs/configuration.md explains them.</summary>
internal static class SettingsKeys
{
    public static ObjectShape All { get; } = new()
    {
        { "tpm", Text((settings, spec) => settings.Tpm = spec) },
        {
            "rm0", new ObjectShape
            {
                { "mode", Mode((settings, mode) => settings.Mode = mode) },
                { "group", Text((settings, group) => settings.Group = group) },
            }
        },
        { "idle_release", Duration(TimeSpan.Zero, TimeSpan.FromHours(1), (settings, time) => settings.IdleRelease = time) },
        {
            "reserve", new ObjectShape
            {
                { "objects", Count(0, 64, (settings, count) => settings.ReserveObjects = count) },
                { "sessions", Count(0, 64, (settings, count) => settings.ReserveSessions = count) },
            }
        },
        { "flush_at_start", Truth((settings, flush) => settings.FlushAtStart = flush) },
        {
            "limits", new ObjectShape
            {
                { "openers.max", Limit((settings, limit) => settings.OpenersMax = limit) },
                { "objects.max", Limit((settings, limit) => settings.Limits.ObjectsMax = limit) },
                { "sessions.max", Limit((settings, limit) => settings.Limits.SessionsMax = limit) },
                { "sessions.saved.max", Limit((settings, limit) => settings.Limits.SavedSessionsMax = limit) },
            }
        },
        {
            "log", new ObjectShape
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
}
