namespace TpmFs.Tpm.Transports;

/// <summary>The names of the descriptors that keep ways to a TPM (<see cref="KeptDescriptor"/>).</summary>
internal static class KeptNames
{
    /// <summary>The data channel of a swtpm.</summary>
    public const string Data = "data";

    /// <summary>The control channel of an embedded swtpm.</summary>
    public const string Control = "control";

    /// <summary>The output of an embedded swtpm.</summary>
    public const string Output = "output";

    /// <summary>The process of an embedded swtpm.</summary>
    public const string Process = "process";

    /// <summary>A TPM's device.</summary>
    public const string Device = "device";
}
