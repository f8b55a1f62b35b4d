using System.Globalization;
using System.Text;
using Serilog.Events;

namespace TpmFs.Logs;

/// <summary>
/// An event as the journal's fields (systemd.journal-fields(7)), each NAME=value in UTF-8. The journal takes any
/// character in any value, but journalctl(1) shows a message with control characters as "[… blob data]" only.
/// </summary>
internal static class JournalFields
{
    private const int MaxValue = 16 * 1024;
    private const int MaxName = 64;

    private static readonly Dictionary<string, string> s_names = new(StringComparer.Ordinal)
    {
        ["Uid"] = "TPMFS_UID",
        ["Pid"] = "TPMFS_PID",
        ["Opener"] = "TPMFS_OPENER",
        ["Node"] = "TPMFS_NODE",
        ["CommandCode"] = "TPM_CC",
        ["ResponseCode"] = "TPM_RC",
        [EventType.MessageIdProperty] = "MESSAGE_ID",
        [EventType.FileProperty] = "CODE_FILE",
        [EventType.LineProperty] = "CODE_LINE",
        [EventType.FunctionProperty] = "CODE_FUNC",
    };

    public static List<byte[]> Of(LogEvent logEvent)
    {
        List<byte[]> fields =
        [
            Field("MESSAGE", OutsideText.Line(Rendered.Message(logEvent))),
            Field("PRIORITY", Priority(logEvent.Level).ToString(CultureInfo.InvariantCulture)),
            Field("SYSLOG_IDENTIFIER", "tpmfs"),
        ];
        foreach ((string? name, LogEventPropertyValue? value) in logEvent.Properties)
        {
            fields.Add(Field(Name(name), Rendered.Value(value)));
        }

        if (logEvent.Exception is { } exception)
        {
            fields.Add(Field("TPMFS_EXCEPTION", exception.ToString()));
        }

        return fields;
    }

    /// <summary>
    /// Makes a field's name: A to Z, 0 to 9 and _, with neither _ nor a digit first, since our names begin with TPM.
    /// </summary>
    public static string Name(string property)
    {
        if (s_names.TryGetValue(property, out string? known))
        {
            return known;
        }

        var name = new StringBuilder("TPMFS_");
        char last = '_';
        foreach (char c in property)
        {
            if (char.IsAsciiLetterUpper(c) && char.IsAsciiLetterLower(last))
            {
                name.Append('_');
            }

            name.Append(char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_');
            last = c;
        }

        return name.ToString(0, Math.Min(name.Length, MaxName));
    }

    /// <summary>Returns the priority, in syslog(3)'s numbers.</summary>
    private static int Priority(LogEventLevel level) => level switch
    {
        LogEventLevel.Fatal => 2,
        LogEventLevel.Error => 3,
        LogEventLevel.Warning => 4,
        LogEventLevel.Information => 6,
        _ => 7,
    };

    private static byte[] Field(string name, string value) =>
        Encoding.UTF8.GetBytes($"{name}={(value.Length > MaxValue ? value[..MaxValue] : value)}");
}
