namespace TpmFs.CommandLine;

/// <summary>The severity of a <see cref="Finding"/>.</summary>
internal enum FindingKind
{
    /// <summary>Nothing is to be done.</summary>
    Fine,

    /// <summary>The state may be right, but a person who looks for a fault wants to know it.</summary>
    Note,

    /// <summary>Somebody cannot use the TPM because of it.</summary>
    Wrong,
}

/// <summary>One thing that 'tpmfs doctor' has looked at.</summary>
/// <param name="Subject">The thing that was looked at, in a word.</param>
/// <param name="Text">The state that was found.</param>
/// <param name="Advice">The remedy; empty where nothing is to be done.</param>
internal sealed record Finding(FindingKind Kind, string Subject, string Text, string Advice)
{
    public static Finding Fine(string subject, string text) => new(FindingKind.Fine, subject, text, "");

    public static Finding Note(string subject, string text, string advice) =>
        new(FindingKind.Note, subject, text, advice);

    public static Finding Wrong(string subject, string text, string advice) =>
        new(FindingKind.Wrong, subject, text, advice);
}
