namespace TpmFs.CommandLine;

/// <summary>How bad a <see cref="Finding"/> is.</summary>
internal enum FindingKind
{
    /// <summary>Nothing is to be done.</summary>
    Fine,

    /// <summary>It may be as it should be; who looks for a fault wants to know it.</summary>
    Note,

    /// <summary>Somebody cannot use the TPM because of it.</summary>
    Wrong,
}

/// <summary>One thing that 'tpmfs doctor' has looked at.</summary>
/// <param name="Subject">What it looked at, in a word.</param>
/// <param name="Text">What it saw.</param>
/// <param name="Advice">What to do; empty where nothing is to be done.</param>
internal sealed record Finding(FindingKind Kind, string Subject, string Text, string Advice)
{
    public static Finding Fine(string subject, string text) => new(FindingKind.Fine, subject, text, "");

    public static Finding Note(string subject, string text, string advice) =>
        new(FindingKind.Note, subject, text, advice);

    public static Finding Wrong(string subject, string text, string advice) =>
        new(FindingKind.Wrong, subject, text, advice);
}
