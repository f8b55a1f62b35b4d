namespace TpmFs.Rm;

/// <summary>
/// Holds the limits of a domain, which may change while spaces are open. A limit holds for what is made after the
/// change.
/// </summary>
public sealed class SpaceLimits
{
    public const int Unlimited = int.MaxValue;

    /// <summary>Transient objects per opener.</summary>
    public int ObjectsMax { get; set; } = 64;

    /// <summary>Sessions per opener, saved ones not counted.</summary>
    public int SessionsMax { get; set; } = 16;

    /// <summary>Saved sessions per domain and uid; past it the oldest are flushed.</summary>
    public int SavedSessionsMax { get; set; } = 32;
}
