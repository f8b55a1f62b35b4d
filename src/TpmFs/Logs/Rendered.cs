using System.Globalization;
using Serilog.Events;
using Serilog.Parsing;

namespace TpmFs.Logs;

/// <summary>Events and their values as text, without the quotes that Serilog puts around text.</summary>
internal static class Rendered
{
    public static string Message(LogEvent logEvent)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        foreach (MessageTemplateToken token in logEvent.MessageTemplate.Tokens)
        {
            if (token is Serilog.Parsing.PropertyToken property
                && logEvent.Properties.TryGetValue(property.PropertyName, out LogEventPropertyValue? value))
            {
                text.Write(Value(value, property.Format));
            }
            else
            {
                token.Render(logEvent.Properties, text, CultureInfo.InvariantCulture);
            }
        }

        return text.ToString();
    }

    public static string Value(LogEventPropertyValue value, string? format = null) =>
        value is ScalarValue { Value: string text } ? text : value.ToString(format, CultureInfo.InvariantCulture);
}
