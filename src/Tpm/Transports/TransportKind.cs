using System.Diagnostics.CodeAnalysis;

namespace TpmFs.Tpm.Transports;

/// <summary>Reads what follows the colon of a text that names a TPM.</summary>
/// <param name="text">The whole text.</param>
/// <param name="rest">The text after the first colon; empty where there is none.</param>
/// <param name="problem">The problem and what was expected, for a person; empty on success.</param>
internal delegate bool TransportParser(
    string text,
    string rest,
    TransportEnvironment environment,
    [NotNullWhen(true)] out TransportSpec? spec,
    out string problem);

/// <summary>A kind of transport: the word before the colon, what may follow, and what to make of it.</summary>
internal sealed record TransportKind(string Name, TransportParser TryParse, params TransportForm[] Forms);

/// <summary>One way to write which TPM is meant, as help, manual and completions show it.</summary>
/// <param name="Syntax">With what the user fills in in capitals, such as device:PATH.</param>
/// <param name="Explanation">The meaning: part of a sentence, without a full stop.</param>
/// <param name="Completions">The completions that a shell may offer for a word, separated by blanks.</param>
public sealed record TransportForm(string Syntax, string Explanation, string Completions);
