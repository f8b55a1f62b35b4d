using Serilog.Events;
using TpmFs.Policy;

namespace TpmFs.Configuration;

/// <summary>The configuration file's settings, over the defaults.</summary>
internal sealed class Settings
{
    /// <summary>The ways to the TPMs, by their numbers; empty when only the command line names any.</summary>
    public IReadOnlyList<string> Tpms { get; set; } = [];

    /// <summary>
    /// Gets or sets the permission bits of rm0; null for the default, which depends on the user who runs the daemon.
    /// </summary>
    public uint? Mode { get; set; }

    /// <summary>Gets or sets the name or number of the group of rm0; null for the default.</summary>
    public string? Group { get; set; }

    /// <summary>Gets or sets the time without a command after which the TPM's slots are given back.</summary>
    public TimeSpan IdleRelease { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest that a TPM may take over one command, where Linux would wait longer.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>
    /// Gets or sets the number of the TPM's object slots that are kept free; null for the transport's default.
    /// </summary>
    public int? ReserveObjects { get; set; }

    /// <summary>
    /// Gets or sets the number of the TPM's session slots that are kept free; null for the transport's default.
    /// </summary>
    public int? ReserveSessions { get; set; }

    /// <summary>
    /// Gets or sets whether the TPM's objects and sessions are flushed at the start; null for the transport's default.
    /// </summary>
    public bool? FlushAtStart { get; set; }

    /// <summary>True when the thread that serves clients follows them from CPU to CPU.</summary>
    public bool FollowsClients { get; set; } = true;

    /// <summary>The bus on which tpm2-abrmd's name is served; null for none.</summary>
    public BusKind? Bus { get; set; }

    /// <summary>The name that is served on that bus.</summary>
    public string BusName { get; set; } = BusSettings.TabrmdName;

    /// <summary>Gets the name to serve on D-Bus; null for none.</summary>
    public BusSettings? Tabrmd => Bus is { } bus ? new BusSettings(bus, BusName) : null;

    /// <summary>Gets the settings of the root itself.</summary>
    public DomainSettings Root { get; } = new();

    /// <summary>Gets the defaults of the settings of users and domains.</summary>
    public DomainSettings Defaults { get; } = new();

    /// <summary>Gets the users who have a directory: by name, uid, or @group.</summary>
    public SortedDictionary<string, DomainSettings> Users { get; } = new(StringComparer.Ordinal);

    /// <summary>Gets the domains that exist from the start, by name.</summary>
    public SortedDictionary<string, DomainSettings> Domains { get; } = new(StringComparer.Ordinal);

    /// <summary>The nodes that have character devices, by the devices' names; see <see cref="DeviceRule"/>.</summary>
    public SortedDictionary<string, DeviceSettings> Devices { get; } = new(StringComparer.Ordinal);

    /// <summary>The file in which the daemon names its domains to container engines; null for none.</summary>
    public string? CdiFile { get; set; }

    public LogEventLevel LogLevel { get; set; } = LogEventLevel.Information;

    /// <summary>Gets the root's limits, complete.</summary>
    public Limits RootLimits => Root.Limits.Over(Limits.OfRoot);

    /// <summary>Returns the limits of a user or domain, complete.</summary>
    public Limits LimitsOf(DomainSettings? settings) =>
        (settings?.Limits ?? Limits.Unsaid).Over(Defaults.Limits).Over(Limits.OfOthers);
}

/// <summary>The settings of one domain.</summary>
internal sealed class DomainSettings
{
    /// <summary>Gets or sets the permission bits of the directory; null for the default. Not for users.</summary>
    public uint? Mode { get; set; }

    /// <summary>Gets or sets the name or number of the directory's owner; null for root. Not for users.</summary>
    public string? Owner { get; set; }

    /// <summary>Gets or sets the name or number of the directory's group; null for root's. Not for users.</summary>
    public string? Group { get; set; }

    public Limits Limits { get; set; } = Limits.Unsaid;
}
