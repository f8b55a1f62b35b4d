using System.Diagnostics.CodeAnalysis;
using System.Runtime.Versioning;

namespace TpmFs.Tpm.Transports;

/// <summary>
/// A way to a TPM as a user names it, such as device:/dev/tpm0, and what follows from it for the daemon. The texts
/// follow the TCTI strings that users of tpm2-tss know. A kind of transport is a class with a
/// <see cref="TransportKind"/>, and a line in <see cref="s_kinds"/>: the help text, the completions and all messages
/// come from there.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class TransportSpec
{
    /// <summary>Every kind, in the order in which help lists them.</summary>
    private static readonly TransportKind[] s_kinds =
    [
        DeviceTransport.Kind,
        EmbeddedTransport.Kind,
        SwtpmTransport.Kind,
        TctiTransport.Kind,
    ];

    private readonly Func<ITpmTransport> _create;

    internal TransportSpec(string text, Func<ITpmTransport> create)
    {
        Text = text;
        _create = create;
    }

    /// <summary>Gets the forms that can be written, in the order in which help lists them.</summary>
    public static IReadOnlyList<TransportForm> Forms { get; } = [.. s_kinds.SelectMany(kind => kind.Forms)];

    /// <summary>The text as the user wrote it.</summary>
    public string Text { get; }

    /// <summary>
    /// True when the TPM may appear by itself after the daemon has started, as a device does when its driver finds it.
    /// </summary>
    public bool MayAppear { get; internal init; }

    /// <summary>True when the kernel, or programs beside the daemon, use the TPM too.</summary>
    public bool IsShared { get; internal init; }

    /// <summary>
    /// True when the TPM is the daemon's own, so an earlier daemon left what the TPM holds at the start.
    /// </summary>
    public bool IsOwn { get; internal init; }

    /// <summary>True when the same text means another TPM for each number that it has in the daemon.</summary>
    public bool DependsOnNumber { get; internal init; }

    /// <summary>Reads what a user wrote. Opens and starts nothing.</summary>
    /// <param name="problem">The problem of the text and what was expected, for a person; empty on success.</param>
    public static bool TryParse(
        string text, TransportEnvironment environment, [NotNullWhen(true)] out TransportSpec? spec, out string problem)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string name = colon < 0 ? text : text[..colon];
        string rest = colon < 0 ? string.Empty : text[(colon + 1)..];
        if (Array.Find(s_kinds, kind => kind.Name == name) is { } found)
        {
            return found.TryParse(text, rest, environment, out spec, out problem);
        }

        spec = null;
        problem =
            $"\"{text}\" does not name a TPM; expected one of {string.Join(", ", Forms.Select(form => form.Syntax))}";
        return false;
    }

    /// <summary>
    /// Makes the transport, which opens and starts nothing before <see cref="ITpmTransport.TryConnect"/>.
    /// </summary>
    public ITpmTransport CreateTransport() => _create();
}
