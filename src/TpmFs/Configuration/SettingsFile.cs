using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace TpmFs.Configuration;

/// <summary>
/// The configuration file: JSON with comments and trailing commas, in UTF-8. Strict: a key that is unknown or given
/// twice, a value of the wrong kind or out of its range is an error that says where, and what was expected.
/// </summary>
internal static class SettingsFile
{
    public const string DefaultPath = "/etc/tpmfs/tpmfs.json";
    private const int MaxSize = 1 << 20;
    private static readonly JsonReaderOptions s_options =
        new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 16 };

    /// <summary>
    /// Reads a file. A missing file stands for the defaults, unless it is <paramref name="required"/>.
    /// </summary>
    public static bool TryRead(string path, bool required, out Settings settings, out string problem)
    {
        settings = new Settings();
        if (!SafeFile.TryRead(path, MaxSize, out byte[] text, out Errno error, out problem))
        {
            problem = $"the configuration cannot be read: {problem}";
            return error == Errno.ENOENT && !required;
        }

        if (TryParse(text, out settings, out Position where, out problem))
        {
            return true;
        }

        problem = $"{path}:{where.Line}:{where.Column}: {problem}";
        return false;
    }

    /// <summary>
    /// Reads a file's content. On failure <paramref name="where"/> and <paramref name="problem"/> describe the error.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out Settings settings, out Position where, out string problem)
    {
        settings = new Settings();
        text = text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
        if (!Utf8.IsValid(text))
        {
            where = new Position(1, 1);
            problem = "the file is not UTF-8 text";
            return false;
        }

        var reader = new Utf8JsonReader(text, s_options);
        try
        {
            reader.Read();
            problem = SettingsKeys.All.Read(ref reader, "the configuration", settings) ?? "";
            where = Position.At(text, (int)reader.TokenStartIndex);
            return problem.Length == 0 && !reader.Read();
        }
        catch (JsonException e)
        {
            where = new Position((int)(e.LineNumber ?? 0) + 1, (int)(e.BytePositionInLine ?? 0) + 1);
            problem = "this is not JSON: " + e.Message.Split(" LineNumber:")[0];
            return false;
        }
    }

    /// <summary>A place in a text; both count from 1, columns in characters.</summary>
    internal readonly record struct Position(int Line, int Column)
    {
        public static Position At(ReadOnlySpan<byte> text, int index)
        {
            ReadOnlySpan<byte> before = text[..index];
            int line = before.LastIndexOf((byte)'\n') + 1;
            return new Position(before.Count((byte)'\n') + 1, Encoding.UTF8.GetCharCount(before[line..]) + 1);
        }
    }
}

/// <summary>The file that the configuration comes from.</summary>
/// <param name="IsRequired">True when a missing file is an error.</param>
internal sealed record SettingsSource(string Path, bool IsRequired)
{
    /// <summary>Returns the file that was named, else the default one, which need not exist.</summary>
    public static SettingsSource Of(string? named) => new(named ?? SettingsFile.DefaultPath, named is not null);

    public bool TryRead(out Settings settings, out string problem) =>
        SettingsFile.TryRead(Path, IsRequired, out settings, out problem);
}
