using System.Globalization;
using Serilog.Events;
using Serilog.Formatting;

namespace TpmFs.Logs;

/// <summary>
/// Writes one event a line, for people. Control characters, from whatever source, are shown, not obeyed.
/// </summary>
internal sealed class PlainText : ITextFormatter
{
    public void Format(LogEvent logEvent, TextWriter output)
    {
        output.Write(logEvent.Timestamp.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture));
        output.Write(logEvent.Level switch
        {
            LogEventLevel.Warning => " warning: ",
            LogEventLevel.Error or LogEventLevel.Fatal => " error: ",
            LogEventLevel.Information => " ",
            _ => " debug: ",
        });
        output.WriteLine(OutsideText.Line(Rendered.Message(logEvent)));
        if (logEvent.Exception is { } exception)
        {
            foreach (string line in exception.ToString().Split('\n'))
            {
                output.WriteLine("    " + OutsideText.Line(line.TrimEnd('\r')));
            }
        }
    }
}
