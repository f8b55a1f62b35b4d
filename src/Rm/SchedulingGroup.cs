using System.Collections.Frozen;
using TpmFs.Tpm;

namespace TpmFs.Rm;

/// <summary>A weighted share of the TPM's time: a domain, or a user of the shared nodes.</summary>
public sealed class SchedulingGroup(string name, SpaceLimits limits)
{
    /// <summary>For logs.</summary>
    public string Name { get; } = name;

    public SpaceLimits Limits { get; } = limits;

    /// <summary>What all its openers have used.</summary>
    public Usage Usage { get; } = new();

    /// <summary>
    /// The commands that its managed openers may not use: TPM_RC_COMMAND_CODE at the manager's layer, but for Startup,
    /// which is answered as by a TPM that is started. Replaced as a whole; holds for the next command.
    /// </summary>
    public IReadOnlySet<TpmCc> Denied { get; set; } = FrozenSet<TpmCc>.Empty;

    /// <summary>1 to 10000, as in cgroup v2.</summary>
    public int Weight { get; set; } = 100;
}
