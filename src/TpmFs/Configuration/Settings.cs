using Serilog.Events;
using TpmFs.Rm;

namespace TpmFs.Configuration;

/// <summary>What the configuration file says, over the defaults.</summary>
internal sealed class Settings
{
    /// <summary>The way to the TPM; null when only the command line names one.</summary>
    public string? Tpm { get; set; }

    /// <summary>Permission bits of rm0; null for the default, which depends on who runs the daemon.</summary>
    public uint? Mode { get; set; }

    /// <summary>The name or number of the group of rm0; null for the default.</summary>
    public string? Group { get; set; }

    /// <summary>After so long without a command the TPM's slots are given back.</summary>
    public TimeSpan IdleRelease { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Object slots of the TPM that are kept free; null for what suits the transport.</summary>
    public int? ReserveObjects { get; set; }

    /// <summary>Session slots of the TPM that are kept free; null for what suits the transport.</summary>
    public int? ReserveSessions { get; set; }

    /// <summary>Whether what the TPM holds at the start is flushed; null for what suits the transport.</summary>
    public bool? FlushAtStart { get; set; }

    public int OpenersMax { get; set; } = 4096;

    public SpaceLimits Limits { get; } = new();

    public LogEventLevel LogLevel { get; set; } = LogEventLevel.Information;
}
