namespace TpmFs.Rm;

/// <summary>A weighted share of the TPM's time: a domain, or a user of the shared nodes.</summary>
public sealed class SchedulingGroup(string name, SpaceLimits limits)
{
    /// <summary>For logs.</summary>
    public string Name { get; } = name;

    public SpaceLimits Limits { get; } = limits;

    /// <summary>1 to 10000, as in cgroup v2.</summary>
    public int Weight { get; set; } = 100;
}
