namespace TpmFs.Rm;

/// <summary>
/// Holds the limits of a domain, which may change while spaces are open. A limit holds for what is made after the
/// change.
/// </summary>
public sealed class SpaceLimits
{
    public const int Unlimited = int.MaxValue;

    /// <summary>Gets or sets the most transient objects of one opener.</summary>
    public int ObjectsMax { get; set; } = 64;

    /// <summary>Gets or sets the most sessions of one opener, saved ones not counted.</summary>
    public int SessionsMax { get; set; } = 16;

    /// <summary>Gets or sets the most saved sessions per domain and uid; beyond it the oldest are flushed.</summary>
    public int SavedSessionsMax { get; set; } = 32;
}
